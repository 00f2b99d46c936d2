/* SPDX-License-Identifier: MIT */
/* The alarms of a store as others see them: by its files alone (layer 4). */
#include "store/alarm/acknowledge.h"
#include "store/alarm/settings.h"
#include "store/volume/files.h"

/* -ENOENT: it is not one. */
static int check_store(const char *path, struct hf_error *err)
{
	struct volume_descriptor v;

	return files_read_descriptor(os_posix(), path, &v, err);
}

int hf_store_alarms(const char *path, struct hf_alarm **ret, size_t *ret_n, struct hf_error *err)
{
	int r = check_store(path, err);

	return r < 0 ? r : alarm_read_open(os_posix(), path, ret, ret_n, err);
}

int hf_store_acknowledge(const char *path, const char *alarm, unsigned *ret_n, struct hf_error *err)
{
	int r = check_store(path, err);

	return r < 0 ? r : alarm_acknowledge(os_posix(), path, alarm, ret_n, err);
}

int hf_alarm_settings(const char *path, struct hf_alarm_settings *ret, struct hf_error *err)
{
	int r = check_store(path, err);

	return r < 0 ? r : settings_read(os_posix(), path, ret, err);
}

int hf_alarm_set(const char *path, const char *const *changes, size_t n, struct hf_error *err)
{
	int r = check_store(path, err);

	return r < 0 ? r : settings_change(os_posix(), path, changes, n, err);
}
