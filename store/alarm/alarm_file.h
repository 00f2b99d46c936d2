/* SPDX-License-Identifier: MIT */
/*
 * Alarms as files of DIR/alarms (layer 4; PROTOCOL.md §9): NNNNNN.json, written by the process
 * that raises them alone, and
 * NNNNNN.ack, written by whoever acknowledges. So neither has to wait for the other, or to be there.
 */
#ifndef STORE_ALARM_ALARM_FILE_H
#define STORE_ALARM_ALARM_FILE_H

#include "holdfast/alarm.h"
#include "store/os/os.h"

/*
 * Appended to out: the JSON of an alarm, and whose it is, when origin ("node", "store") is not NULL. 0 or
 * -ENOMEM.
 */
MUST_USE int alarm_file_text(const struct hf_alarm *alarm, const char *origin, const char *name,
			     struct buf *out);

/* Durable when it returns 0. */
MUST_USE int alarm_file_write(const struct os *os, const char *dir, const struct hf_alarm *alarm);

/*
 * Acknowledge it as often as its count says, durably. Of a file that is damaged: as it is.
 */
MUST_USE int alarm_file_acknowledge(const struct os *os, const char *dir, const struct hf_alarm *alarm);
/* Has someone done that, for no lower count? */
bool alarm_file_is_acknowledged(const struct os *os, const char *dir, const struct hf_alarm *alarm);

/*
 * Does it hold up a prune (PROTOCOL.md §10)? Any that is open does, but the announcement of a prune, and that
 * room runs out, on the disk or in a budget: that is what one is for.
 */
bool alarm_freezes(const struct hf_alarm *alarm);

/* Remove it, then what acknowledged it. A crash in between leaves that, whose number is not given again. */
void alarm_file_remove(const struct os *os, const char *dir, uint32_t number);

/*
 * All of them by rising number, malloc'ed; *ret_next is above the number of any file. One that is damaged
 * comes as that. No folder is no alarms. -ENOMEM, or what the folder says.
 */
MUST_USE int alarm_files_read(const struct os *os, const char *dir, struct hf_alarm **ret, size_t *ret_n,
			      uint32_t *ret_next, struct hf_error *err);

#endif
