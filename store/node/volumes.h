/* SPDX-License-Identifier: MIT */
/*
 * The volumes a node keeps (layer 4; PROTOCOL.md §6 and §8): for each its certificates, which say whose
 * signature counts, and its shelf. Volumes come and never go while the node runs, so a pointer to one stays
 * good. Thread-safe.
 */
#ifndef STORE_NODE_VOLUMES_H
#define STORE_NODE_VOLUMES_H

#include "store/node/budget.h"
#include "store/node/nonces.h"
#include "store/node/pulse.h"
#include "store/replica/place.h"
#include "store/replica/shelf.h"

struct volume;
struct volumes;

/*
 * Open all of DIR/volumes. One that cannot be opened keeps none from the others: it is a fault (below).
 * Only when none can be opened is that an error, the first one's (-EUCLEAN and others of shelf_open; the
 * words name the volume). What a crash left of an enrolment is left out. read_only: to look
 * at only, also while a process serves them; nothing is changed.
 */
MUST_USE int volumes_open(const struct os *os, const char *dir, bool read_only, struct volumes **ret,
			  struct hf_error *err);
void volumes_close(struct volumes *vs); /* NULL is fine; nobody uses a volume any more */
size_t volumes_count(struct volumes *vs);

/* A volume that is here, and could not be opened: it stays so. */
struct volume_fault {
	uint8_t id[VOLUME_ID_BYTES];
	char id_text[HF_VOLUME_ID_TEXT_BYTES];
	char *dir;
	struct hf_error why;
};
const struct volume_fault *volumes_fault_of(const struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES]);
const struct volume_fault *volumes_nth_fault(const struct volumes *vs, size_t i); /* NULL behind the last */

struct volume *volumes_find(struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES]); /* NULL: not here */

struct volume *volumes_nth(struct volumes *vs, size_t i); /* from 0 on; NULL behind the last */

const uint8_t *volume_id(const struct volume *v);
const char *volume_id_words(const struct volume *v);
struct shelf *volume_shelf(const struct volume *v);
void volume_newest_cert(struct volume *v, struct epoch_cert *ret);

const char *volume_dir(const struct volume *v);
struct pulse *volume_pulse(struct volume *v);
struct budget *volume_budget(struct volume *v);
/* Of requests that its keys of now have proved; the owner's are apart. */
struct nonces *volume_nonces(struct volume *v, bool is_owner);

/* What a key may do here. */
enum volume_key { VOLUME_KEY_UNKNOWN, VOLUME_KEY_PAST_WRITER, VOLUME_KEY_WRITER, VOLUME_KEY_OWNER };
enum volume_key volume_judge_key(struct volume *v, const uint8_t key[PUBLIC_KEY_BYTES]);
/*
 * That, and until volume_let_go no epoch begins and nobody else holds the volume: what the key may do, it
 * still may when it is durable. Waits for an append, or an enrolment, that is under way.
 */
MUST_USE enum volume_key volume_hold(struct volume *v, const uint8_t key[PUBLIC_KEY_BYTES]);
void volume_let_go(struct volume *v);

/*
 * May a segment begin under this certificate? 0; -EKEYREJECTED: of an epoch that was not enrolled here, or
 * not its newest certificate.
 */
MUST_USE int volume_check_header(struct volume *v, const void *header, size_t len, struct hf_error *err);

/*
 * The format floor only rises (PROTOCOL.md §6): may this certificate come after those, of the same volume? 0,
 * or -EPROTONOSUPPORT with words.
 */
MUST_USE int volume_check_floor(const struct epoch_cert *certs, size_t n, const struct epoch_cert *cert,
				struct hf_error *err);

/*
 * Enrol a certificate whose request was signed by its owner key (by_owner) or its writer key. token NULL:
 * none was given. 0: it was the newest already, or the volume is new; 1: an epoch has begun with it, and no
 * earlier writer key is accepted; *ret is the volume. -EACCES: the invitation
 * (see invitation_use), or there is none where one is needed; -EKEYREJECTED: its epoch is over here already,
 * or it is by another owner; -EPROTONOSUPPORT: below the format floor; -EEXIST: the log here has gone past
 * where it begins; others: the node's disk.
 */
MUST_USE int volumes_enrol(struct volumes *vs, const struct epoch_cert *cert, bool by_owner,
			   const uint8_t token[PLACE_TOKEN_BYTES], struct volume **ret, struct hf_error *err);

#endif
