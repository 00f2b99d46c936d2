/* SPDX-License-Identifier: MIT */
/*
 * Codecs of FORMAT.md (layer 1): pure, no I/O, no keys, no state. Encoders append to a buf; decoders read a
 * bounded run of bytes and give 0, -EUCLEAN (not of this form, a checksum that does not match, a limit
 * passed) or -EPROTONOSUPPORT (a version, flag or type this build does not know, named in err). A decoder
 * never believes a length before it has checked it.
 */
#ifndef STORE_FORMAT_FORMAT_H
#define STORE_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "store/base/buf.h"
#include "store/crypto/crypto.h"

enum {
	FORMAT_VERSION = 1,
	VOLUME_DESCRIPTOR_BYTES = 96,
	KEY_FILE_BYTES = 80,
	WRAPPED_KEY_FILE_BYTES = 144,
	WRAPPED_KEY_AD_BYTES = 13 + 80,
	EPOCH_CERT_BYTES = 208,
	SEGMENT_HEADER_BYTES = 320,
	FRAME_HEADER_BYTES = 40,
	COMMIT_BODY_BYTES = 136,
	COMMIT_FRAME_BYTES = FRAME_HEADER_BYTES + COMMIT_BODY_BYTES,
	FRAME_AD_BYTES = 15 + VOLUME_ID_BYTES + 4 + 4 + FRAME_HEADER_BYTES,
	FRAME_BODY_MAX = 16 << 20,
	SEGMENT_BYTES_NOMINAL = 64 << 20,
	SEGMENT_BYTES_MAX = 256 << 20,
	CHUNK_BYTES_MAX = 256 << 10,
	BLOCK_BYTES = 64 << 10,
	NAME_BYTES_MAX = 255,
	TARGET_BYTES_MAX = 4095,
	XATTR_VALUE_BYTES_MAX = 64 << 10,
	TAG_BYTES_MAX = 128,
	RECORD_PIECES_MAX = 65536,
	RANGE_BYTES_MAX = 1 << 30,
	RECORD_RANGES_MAX = 65536,
};

/* §3 */
struct volume_descriptor {
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint8_t owner_public[PUBLIC_KEY_BYTES];
	uint64_t created_ns;
};
void volume_descriptor_encode(const struct volume_descriptor *v, struct buf *out);
MUST_USE int volume_descriptor_decode(const void *data, size_t len, struct volume_descriptor *ret,
				      struct hf_error *err);

/* §4.2: text of the kit's one line ("HF1-…", no newline), and back from a whole kit file. */
void kit_line_encode(const uint8_t seed[SEED_BYTES], struct buf *out);
MUST_USE int kit_text_decode(const char *text, size_t len, uint8_t ret_seed[SEED_BYTES],
			     struct hf_error *err);

/* §4.3 */
enum key_file_kind { KEY_FILE_VOLUME, KEY_FILE_WRITER };
struct key_file {
	uint32_t epoch; /* writer only */
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint8_t secret[SEED_BYTES];
};
void key_file_encode(enum key_file_kind kind, const struct key_file *k, struct buf *out);
MUST_USE int key_file_decode(enum key_file_kind kind, const void *data, size_t len, struct key_file *ret,
			     struct hf_error *err);

/* Of a wrapped one. The volume key is wrapped by a passphrase, the writer key by the volume key. */
struct key_wrapped {
	uint32_t epoch; /* writer only */
	uint8_t volume_id[VOLUME_ID_BYTES];
	struct wrap_cost cost; /* volume only, as is the salt */
	uint8_t salt[WRAP_SALT_BYTES];
	uint8_t nonce[NONCE_BYTES];
	uint8_t sealed[WRAPPED_BYTES];
};
bool key_file_is_wrapped(const void *data, size_t len); /* which of the two decoders to ask */
void key_wrapped_encode(enum key_file_kind kind, const struct key_wrapped *k, struct buf *out);
/* -EUCLEAN also when the cost is out of its limits: nothing was done for it. */
MUST_USE int key_wrapped_decode(enum key_file_kind kind, const void *data, size_t len,
				struct key_wrapped *ret, struct hf_error *err);
/* Associated data of what is sealed in it: everything before that. */
void key_wrapped_ad(enum key_file_kind kind, const struct key_wrapped *k, uint8_t out[WRAPPED_KEY_AD_BYTES]);

/* §4.4 */
struct epoch_cert {
	uint32_t epoch;
	uint16_t format_floor;
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint8_t owner_public[PUBLIC_KEY_BYTES];
	uint8_t writer_public[PUBLIC_KEY_BYTES];
	uint64_t created_ns;
	uint32_t first_segment;
	uint8_t chain[HASH_BYTES];
	uint8_t signature[SIGNATURE_BYTES];
};
/* Fills in volume id, owner's public key and signature. */
void epoch_cert_sign(struct epoch_cert *cert, const struct owner *owner);
void epoch_cert_encode(const struct epoch_cert *cert, struct buf *out);
/* Decodes and checks the signature and that the volume id is the owner key's. -EKEYREJECTED when not. */
MUST_USE int epoch_cert_decode(const void *data, size_t len, struct epoch_cert *ret, struct hf_error *err);

/* §5 */
struct segment_header {
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint32_t segment;
	uint32_t epoch;
	uint64_t prev_tid;
	uint64_t prev_time_ns;
	uint64_t prev_commit;
	uint8_t prev_chain[HASH_BYTES];
	struct epoch_cert cert;
};
void segment_header_encode(const struct segment_header *h, struct buf *out);
/* Checks its checksum, the certificate, and that the two agree (epoch, volume id). */
MUST_USE int segment_header_decode(const void *data, size_t len, struct segment_header *ret,
				   struct hf_error *err);
void segment_file_name(uint32_t segment, char out[16]); /* "0000000001.seg" */
bool segment_file_number(const char *name, uint32_t *ret);

/* §6 */
enum frame_type { FRAME_DATA = 1, FRAME_META = 2, FRAME_COMMIT = 3, FRAME_TABLE = 4, FRAME_PRUNED = 5 };
enum { FRAME_COMPRESSED = 1, FRAME_IN_PIECES = 2 };
enum { FRAME_PIECE_BYTES = 16 << 10 };
struct frame_header {
	uint8_t type;
	uint8_t flags;
	uint32_t body_len;
	uint8_t nonce[NONCE_BYTES]; /* of a pruned frame: the first bytes of its hash */
};
void frame_header_encode(const struct frame_header *h, uint8_t out[FRAME_HEADER_BYTES]);
MUST_USE int frame_header_decode(const uint8_t data[FRAME_HEADER_BYTES], struct frame_header *ret,
				 struct hf_error *err);
uint32_t frame_plain_len(const struct frame_header *h); /* as it was sealed, so maybe compressed */
/* Associated data of a frame at this place. */
void frame_ad(const uint8_t volume_id[VOLUME_ID_BYTES], uint32_t segment, uint32_t offset,
	      const uint8_t header[FRAME_HEADER_BYTES], uint8_t out[FRAME_AD_BYTES]);

/*
 * §14: a data frame whose body was taken away, in as many bytes, all zeros behind the first
 * PRUNED_FRAME_BYTES. Written over a whole data frame of len bytes; the hash of what was there, from a pruned
 * frame's first bytes.
 */
enum { PRUNED_HASH_AT = 16, PRUNED_FRAME_BYTES = PRUNED_HASH_AT + HASH_BYTES };
void pruned_frame_encode(uint8_t *frame, size_t len);
const uint8_t *pruned_frame_hash(const uint8_t *frame);

/* §7 */
enum { COMMIT_SEALS = 1 };
#define COMMIT_OPERATIONS_MAX UINT32_MAX      /* that its tid is higher than the last commit's */
#define COMMIT_TIME_MAX ((uint64_t)INT64_MAX) /* in the year 2262 */
struct commit {
	uint64_t number;
	uint64_t tid;
	uint64_t time_ns;
	uint32_t epoch;
	uint32_t flags;
	uint32_t frames;
	uint32_t table_offset;
	uint8_t chain[HASH_BYTES];
	uint8_t signature[SIGNATURE_BYTES];
};
void commit_encode(const struct commit *c, uint8_t out[COMMIT_BODY_BYTES]);
MUST_USE int commit_decode(const uint8_t body[COMMIT_BODY_BYTES], struct commit *ret, struct hf_error *err);

/*
 * The running hash of §7, for writer and checker alike: chain_start at a segment, then chain_frame for each
 * frame's H, then chain_commit, which gives C(n) and makes it the value to go on from.
 */
struct chain {
	uint8_t value[HASH_BYTES];
	struct hash open; /* over what came since the last commit */
};
void chain_start(struct chain *c, const uint8_t header[SEGMENT_HEADER_BYTES]);
void chain_resume(struct chain *c, const uint8_t value[HASH_BYTES]); /* from a known C */
void chain_frame(struct chain *c, const uint8_t frame_hash[HASH_BYTES]);
void chain_commit(struct chain *c, const uint8_t header[FRAME_HEADER_BYTES],
		  const uint8_t body[COMMIT_BODY_BYTES], uint8_t ret_value[HASH_BYTES]);
/* The commit's signature, in its body from byte 72 on: filled in; checked (0 or -EKEYREJECTED). */
void commit_sign(const struct keyring *k, uint32_t segment, uint32_t offset, uint8_t body[COMMIT_BODY_BYTES]);
MUST_USE int commit_check_signature(const uint8_t writer_public[PUBLIC_KEY_BYTES],
				    const uint8_t volume_id[VOLUME_ID_BYTES], uint32_t segment,
				    uint32_t offset, const uint8_t body[COMMIT_BODY_BYTES]);

/*
 * Lines that people hand about (§13; PROTOCOL.md §6): a label and base64url, appended; and the bytes back,
 * appended, blanks and line ends let go wherever a mail or a printer put them. -ENOENT: the text does not
 * begin with the label; -EINVAL: nothing behind it, or no base64url; -ENOMEM.
 */
void token_encode(const char *label, const void *data, size_t len, struct buf *out);
MUST_USE int token_decode(const char *label, const char *text, size_t len, struct buf *out);
bool token_blank(char ch);

/* §13 */
struct head {
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint32_t segment, offset; /* of the commit frame */
	struct commit commit;
};
void head_line_encode(const struct head *h, struct buf *out);
/* From one line, or what head_find found. Its signature is another question: head_check_signature. */
MUST_USE int head_line_decode(const char *text, size_t len, struct head *ret, struct hf_error *err);
/* Where the next head begins in a text that may hold other things, and as many characters as it can have. */
const char *head_find(const char *text, size_t len, size_t *ret_len);
/* 0, or -EKEYREJECTED: not by the writer of this certificate. */
MUST_USE int head_check_signature(const struct head *h, const struct epoch_cert *cert);

/* §8 */
struct table_entry {
	uint8_t type;
	uint32_t len; /* header and body */
};
void table_encode(const struct table_entry *entries, size_t n, struct buf *out);
/* entries: malloc'ed, the caller frees. */
MUST_USE int table_decode(const void *data, size_t len, struct table_entry **ret, size_t *ret_n,
			  struct hf_error *err);

/* §10 */
enum record_type {
	RECORD_CHUNKS = 1,
	RECORD_WHO = 2,
	OP_CREATE = 16,
	OP_LINK = 17,
	OP_UNLINK = 18,
	OP_RENAME = 19,
	OP_SETATTR = 20,
	OP_WRITE = 21,
	OP_RANGE = 22,
	OP_CLONE = 23,
	OP_SETXATTR = 24,
	OP_REMOVEXATTR = 25,
	OP_REAP = 26,
	OP_TAG = 27,
	OP_FOLD = 28,
	OP_RETIRE = 29,
};

/* A run of bytes of a file and where they are. */
enum piece_kind {
	PIECE_HOLE = 0,    /* nothing there: reads as zeros, takes no space */
	PIECE_ZERO = 1,    /* allocated, never written: reads as zeros */
	PIECE_CHUNK = 2,   /* `ref` is a chunk number */
	PIECE_PENDING = 3, /* `ref` is a run not yet cut into chunks; in memory only, never in the log */
};
struct piece {
	uint8_t kind;
	uint32_t off; /* in the chunk or run */
	uint32_t len;
	uint64_t ref;
};

/* In the log (§10.3) pending pieces cannot be encoded: -EINVAL by assertion. */
void pieces_encode(const struct piece *pieces, size_t n, struct buf *out);
/* Appends to *pieces (malloc'ed array of *n used, *cap allocated), in total at most RECORD_PIECES_MAX. */
MUST_USE int pieces_decode(struct cursor *c, struct piece **pieces, size_t *n, size_t *cap);

/* A string or blob that an operation names; borrowed from the caller or from the decoded frame. */
struct span {
	const uint8_t *data;
	size_t len;
};

struct file_time {
	int64_t sec;
	uint32_t nsec;
};

enum { UNLINK_DIR = 1 };
enum { RENAME_OP_EXCHANGE = 1, RENAME_OP_NOREPLACE = 2 };
enum { WRITE_KILL_PRIV = 1 };
enum { RANGE_ALLOCATE = 1, RANGE_PUNCH = 2, RANGE_ZERO = 3 };
enum { RANGE_KEEP_SIZE = 1, RANGE_KILL_PRIV = 2 };
enum {
	SETATTR_MODE = 1,
	SETATTR_UID = 2,
	SETATTR_GID = 4,
	SETATTR_SIZE = 8,
	SETATTR_ATIME = 16,
	SETATTR_MTIME = 32,
	SETATTR_CTIME = 64,
	SETATTR_ACL = 128,
	SETATTR_KILL_PRIV = 256,
	SETATTR_ALL = 511,
};

/* Chunk numbers [first, first + n). */
struct chunk_range {
	uint64_t first, n;
};

/*
 * One operation. Pointers inside are borrowed; op_decode's `pieces`, `inos` and `ranges` are malloc'ed
 * (op_release).
 */
struct op {
	uint8_t type;
	uint64_t tid;
	uint64_t time_ns;
	union {
		struct {
			uint64_t parent, ino;
			struct span name, target, acl_access, acl_default;
			uint32_t mode, uid, gid;
			uint64_t rdev;
		} create;
		struct {
			uint64_t ino, parent;
			struct span name;
		} link;
		struct {
			uint64_t parent, ino;
			struct span name;
			uint32_t flags;
		} unlink;
		struct {
			uint32_t flags;
			uint64_t parent, new_parent;
			struct span name, new_name;
		} rename;
		struct {
			uint64_t ino;
			uint32_t mask;
			uint32_t mode, uid, gid;
			uint64_t size;
			struct file_time atime, mtime, ctime;
			struct span acl;
		} setattr;
		struct {
			uint64_t ino, offset;
			uint32_t flags;
			struct piece *pieces;
			size_t n_pieces;
		} write;
		struct {
			uint64_t ino, offset, len;
			uint32_t mode, flags;
		} range;
		struct {
			uint64_t src_ino, src_offset, ino, offset, len;
			uint32_t flags;
		} clone;
		struct {
			uint64_t ino;
			struct span name, value;
			uint32_t mode_plus_1;
		} setxattr;
		struct {
			uint64_t ino;
			struct span name;
		} removexattr;
		struct {
			uint64_t *inos;
			size_t n;
		} reap;
		struct {
			struct span name;
			uint64_t tid_plus_1;
		} tag;
		struct {
			uint64_t ino, block;
			struct piece *pieces;
			size_t n_pieces;
		} fold;
		struct {
			struct chunk_range *ranges; /* rising, none touching the next */
			size_t n;
		} retire;
	};
};

/*
 * Append op as a record. `base` is the tid and time of the operation before it in the log and is moved on
 * to this one's.
 */
struct op_base {
	uint64_t tid;
	uint64_t time_ns;
};
void op_encode(const struct op *op, struct op_base *base, struct buf *out);

/* One CHUNKS entry. */
struct chunk_entry {
	uint8_t name[HASH_BYTES];
	uint32_t len;
};
void chunks_encode(const struct chunk_entry *entries, size_t n, struct buf *out);

/*
 * Walk a metadata frame's records. record_next gives 1 and the type and body (borrowed), 0 at the end,
 * -EUCLEAN. Then, by type, chunks_decode, who_decode or op_decode.
 */
MUST_USE int record_next(struct cursor *c, uint8_t *ret_type, struct span *ret_body, struct hf_error *err);
/* WHO: whose the operations behind it are; UID_UNKNOWN: not known. */
#define UID_UNKNOWN UINT32_MAX
void who_encode(uint32_t uid, struct buf *out);
MUST_USE int who_decode(struct span body, uint32_t *ret_uid, struct hf_error *err);
/* *ret: malloc'ed, the caller frees. */
MUST_USE int chunks_decode(struct span body, struct chunk_entry **ret, size_t *ret_n, struct hf_error *err);
MUST_USE int op_decode(uint8_t type, struct span body, struct op_base *base, struct op *ret,
		       struct hf_error *err);
void op_release(struct op *op);
const char *op_name(uint8_t type); /* "CREATE"; "?" when unknown */

/* Names (§1): 0, -ENAMETOOLONG, -EINVAL (empty, `.`, `..`, `/` or NUL inside). */
MUST_USE int name_check(const void *name, size_t len);
MUST_USE int tag_name_check(const void *name, size_t len);

#endif
