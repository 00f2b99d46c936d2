/* SPDX-License-Identifier: MIT */
/*
 * The worked example of docs/FORMAT.md §12, read from the document itself: the code opens every byte of it as
 * the text says, and writes the same bytes from the same keys and values.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "store/crypto/derive.h"
#include "store/format/format.h"
#include "store/os/os.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

static struct buf text = BUF_INIT; /* the document from §12 on, terminated */
static struct buf image = BUF_INIT, data_plain = BUF_INIT, meta_plain = BUF_INIT;
static struct owner *owner;
static struct keyring *keys;

/* --- reading the document */

/* The value in back quotes behind `| label | ` as bytes; fails the test unless it is there and that long. */
static void stated(const char *label, uint8_t *out, size_t len)
{
	CLEANUP(buf_release) struct buf front = BUF_INIT;
	const char *p;

	buf_add_text(&front, "\n| %s | `", label);
	p = strstr((const char *)text.data, buf_cstr(&front));
	if (!p)
		fail_msg("the document states no \"%s\"", label);
	p += front.len;
	for (size_t i = 0; i < len; i++, p += 2) {
		unsigned v;

		assert_int_equal(sscanf(p, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	assert_int_equal(*p, '`');
}

static void assert_stated(const char *label, const uint8_t *got, size_t len)
{
	uint8_t want[SIGNATURE_BYTES];

	assert_true(len <= sizeof(want));
	stated(label, want, len);
	assert_memory_equal(got, want, len);
}

/* A line of a dump: offset, colon, bytes. Offsets must follow one another. */
static void parse_line(const char *line, struct buf *out)
{
	unsigned offset, v;
	int n = 0;

	assert_int_equal(sscanf(line, "%4x:%n", &offset, &n), 1);
	assert_int_equal(n, 5);
	assert_int_equal(offset, out->len);
	for (line += n; line[0] == ' ' && isxdigit((unsigned char)line[1]); line += 3) {
		assert_int_equal(sscanf(line, "%2x", &v), 1);
		buf_add_u8(out, (uint8_t)v);
	}
	line += strspn(line, " ");
	assert_true(*line == ';' || *line == '\n');
}

/* The first fenced block under this heading. */
static void parse_dump(const char *heading, struct buf *out)
{
	const char *p = strstr((const char *)text.data, heading);

	assert_non_null(p);
	p = strstr(p, "\n```\n");
	assert_non_null(p);
	for (p += 5; strncmp(p, "```", 3) != 0; p = strchr(p, '\n') + 1) {
		assert_int_not_equal(*p, 0);
		if (*p != '\n' && *p != ';')
			parse_line(p, out);
	}
	assert_true(out->len > 0);
}

static int setup(void **state)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, whole = BUF_INIT;
	const char *dir = getenv("HF_SOURCE_DIR"), *from;
	uint8_t seed[SEED_BYTES];

	(void)state;
	if (crypto_init() < 0 || os_read_file(os_posix(), os_join(&path, dir ? dir : ".", "docs/FORMAT.md"),
					      TEXT_BYTES_MAX, &whole) < 0) {
		print_error(
			"docs/FORMAT.md is not in the current folder, and HF_SOURCE_DIR names no other\n");
		return -1;
	}
	from = strstr(buf_cstr(&whole), "\n## 12.");
	if (!from)
		return -1;
	buf_add(&text, from, strlen(from) + 1);
	parse_dump("### 12.1", &image);
	parse_dump("### 12.2", &data_plain);
	parse_dump("### 12.3", &meta_plain);

	stated("recovery seed", seed, sizeof(seed));
	if (owner_new(seed, &owner) < 0 || owner_keyring(owner, &keys) < 0)
		return -1;
	stated("writer signing seed", seed, sizeof(seed));
	return keyring_set_writer(keys, 1, seed);
}

static int teardown(void **state)
{
	(void)state;
	keyring_free(keys);
	owner_free(owner);
	buf_release(&text);
	buf_release(&image);
	buf_release(&data_plain);
	buf_release(&meta_plain);
	return 0;
}

/* --- where things are in the image */

struct place {
	const uint8_t *header, *body;
	uint32_t offset;
	struct frame_header frame;
};

static struct place frame_at(uint32_t offset)
{
	struct place p = { .offset = offset };

	assert_true(offset + FRAME_HEADER_BYTES <= image.len);
	p.header = image.data + offset;
	p.body = p.header + FRAME_HEADER_BYTES;
	assert_int_equal(frame_header_decode(p.header, &p.frame, NULL), 0);
	assert_true(p.frame.body_len <= image.len - offset - FRAME_HEADER_BYTES);
	return p;
}

static struct place frame_behind(const struct place *p)
{
	return frame_at(p->offset + FRAME_HEADER_BYTES + p->frame.body_len);
}

static void frame_hash(const struct place *p, uint8_t out[HASH_BYTES])
{
	hash_one(NULL, p->header, FRAME_HEADER_BYTES + p->frame.body_len, out, HASH_BYTES);
}

/* --- the tests */

static void keys_follow_from_the_seeds(void **state)
{
	CLEANUP(buf_release) struct buf kit = BUF_INIT, name_hash = BUF_INIT;
	uint8_t seed[SEED_BYTES], volume_key[SEED_BYTES], got[HASH_BYTES];

	(void)state;
	stated("recovery seed", seed, sizeof(seed));
	kit_line_encode(seed, &kit);
	assert_non_null(strstr((const char *)text.data, buf_cstr(&kit)));
	assert_int_equal(kit_text_decode((const char *)text.data, text.len, got, NULL), 0);
	assert_memory_equal(got, seed, sizeof(seed));

	keyring_volume_key(keys, volume_key);
	assert_stated("volume key", volume_key, sizeof(volume_key));
	assert_stated("owner public key", owner_public(owner), PUBLIC_KEY_BYTES);
	assert_stated("volume id", owner_volume_id(owner), VOLUME_ID_BYTES);
	assert_stated("writer public key", keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	buf_add_be64(&name_hash, keyring_name_hash(keys, "hello", 5));
	assert_stated("directory hash of `hello`", name_hash.data, 8);

	derive(seed, DERIVE_FROM_SEED, DERIVE_OWNER_KEY, got, sizeof(got));
	assert_stated("owner signing seed", got, sizeof(got));
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_FRAME_KEY, got, sizeof(got));
	assert_stated("frame key", got, sizeof(got));
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_CHUNK_KEY, got, sizeof(got));
	assert_stated("chunk naming key", got, sizeof(got));
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_NAME_KEY, got, 16);
	assert_stated("directory hash key", got, 16);
}

/* The dump under this heading opens to `secret`, and sealing that writes the same bytes again. */
static void assert_wrapped(const char *heading, enum key_file_kind kind, const struct wrapper *w,
			   const uint8_t secret[SEED_BYTES])
{
	CLEANUP(buf_release) struct buf dump = BUF_INIT, again = BUF_INIT;
	uint8_t ad[WRAPPED_KEY_AD_BYTES], got[SEED_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct key_wrapped k;

	parse_dump(heading, &dump);
	if (key_wrapped_decode(kind, dump.data, dump.len, &k, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(k.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	key_wrapped_ad(kind, &k, ad);
	assert_int_equal(wrapper_open(w, k.nonce, ad, sizeof(ad), k.sealed, got), 0);
	assert_memory_equal(got, secret, SEED_BYTES);
	memset(k.sealed, 0, sizeof(k.sealed));
	wrapper_seal(w, k.nonce, ad, sizeof(ad), secret, k.sealed);
	key_wrapped_encode(kind, &k, &again);
	assert_int_equal(again.len, dump.len);
	assert_memory_equal(again.data, dump.data, dump.len);
}

static void the_wrapped_keys_open(void **state)
{
	static const char passphrase[] = "correct horse battery staple";
	const struct wrap_cost cost = { 2, 64 };
	uint8_t salt[WRAP_SALT_BYTES], volume_key[SEED_BYTES], writer[SEED_BYTES], got[SEED_BYTES];
	struct wrapper *w;

	(void)state;
	assert_non_null(strstr((const char *)text.data, passphrase));
	for (int i = 0; i < WRAP_SALT_BYTES; i++)
		salt[i] = (uint8_t)(0x80 + i);
	stated("volume key", volume_key, sizeof(volume_key));
	stated("writer signing seed", writer, sizeof(writer));
	assert_int_equal(crypto_pwhash_argon2id(got, sizeof(got), passphrase, strlen(passphrase), salt,
						cost.passes, cost.memory_kib << 10,
						crypto_pwhash_argon2id_ALG_ARGON2ID13),
			 0);
	assert_stated("from the passphrase", got, sizeof(got));
	assert_int_equal(wrapper_of_passphrase(passphrase, strlen(passphrase), &cost, salt, &w), 0);
	assert_wrapped("### 12.4", KEY_FILE_VOLUME, w, volume_key);
	wrapper_free(w);
	assert_int_equal(wrapper_of_volume_key(volume_key, &w), 0);
	assert_wrapped("### 12.5", KEY_FILE_WRITER, w, writer);
	wrapper_free(w);
	derive(volume_key, DERIVE_FROM_VOLUME_KEY, DERIVE_WRAPPING_KEY, got, sizeof(got));
	assert_stated("key wrapping key", got, sizeof(got));
}

static void the_header_opens(void **state)
{
	static const uint8_t zeros[HASH_BYTES];
	struct segment_header h;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	if (segment_header_decode(image.data, SEGMENT_HEADER_BYTES, &h, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(h.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	assert_int_equal(h.segment, 1);
	assert_int_equal(h.epoch, 1);
	assert_int_equal(h.prev_commit, 0);
	assert_memory_equal(h.prev_chain, zeros, HASH_BYTES);
	assert_memory_equal(h.cert.owner_public, owner_public(owner), PUBLIC_KEY_BYTES);
	assert_memory_equal(h.cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	assert_int_equal(h.cert.created_ns, UINT64_C(1700000000000000000));
}

static void assert_opens_to(const struct place *p, const struct buf *plain)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;
	uint8_t ad[FRAME_AD_BYTES];
	const struct sealing sealing = { p->frame.nonce, ad, sizeof(ad), 0 };

	buf_add(&body, p->body, p->frame.body_len);
	frame_ad(owner_volume_id(owner), 1, p->offset, p->header, ad);
	assert_int_equal(keyring_open(keys, &sealing, 0, body.data, body.len, body.data), 0);
	assert_int_equal(body.len, plain->len + TAG_BYTES);
	assert_memory_equal(body.data, plain->data, plain->len);
}

static void the_frames_open(void **state)
{
	struct place data = frame_at(SEGMENT_HEADER_BYTES), meta = frame_behind(&data);

	(void)state;
	assert_int_equal(data.frame.type, FRAME_DATA);
	assert_int_equal(meta.frame.type, FRAME_META);
	assert_int_equal(data.frame.flags, 0);
	assert_opens_to(&data, &data_plain);
	assert_opens_to(&meta, &meta_plain);
	assert_int_equal(data_plain.len, strlen("hello, world\n"));
	assert_memory_equal(data_plain.data, "hello, world\n", data_plain.len);
}

static void the_chain_and_the_signature_hold(void **state)
{
	struct place data = frame_at(SEGMENT_HEADER_BYTES), meta = frame_behind(&data),
		     end = frame_behind(&meta);
	uint8_t hash[HASH_BYTES], value[HASH_BYTES];
	struct commit commit;
	struct chain chain;

	(void)state;
	assert_int_equal(end.frame.type, FRAME_COMMIT);
	assert_int_equal(end.offset + COMMIT_FRAME_BYTES, image.len);
	chain_start(&chain, image.data);
	assert_stated("C at the start of the segment", chain.value, HASH_BYTES);
	frame_hash(&data, hash);
	assert_stated("H(data frame)", hash, HASH_BYTES);
	chain_frame(&chain, hash);
	frame_hash(&meta, hash);
	assert_stated("H(metadata frame)", hash, HASH_BYTES);
	chain_frame(&chain, hash);
	chain_commit(&chain, end.header, end.body, value);
	assert_stated("C(1)", value, HASH_BYTES);

	assert_int_equal(commit_decode(end.body, &commit, NULL), 0);
	assert_memory_equal(commit.chain, value, HASH_BYTES);
	assert_int_equal(commit_check_signature(keyring_writer_public(keys), owner_volume_id(owner), 1,
						end.offset, end.body),
			 0);
}

/* That the document has this line, word for word. */
static void assert_line(struct buf *line)
{
	if (!strstr((const char *)text.data, buf_cstr(line)))
		fail_msg("the document does not say: %s", buf_cstr(line));
	buf_clear(line);
}

static void assert_create_line(const struct op *op)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;

	assert_int_equal(op->create.target.len + op->create.acl_access.len + op->create.acl_default.len, 0);
	buf_add_text(&line,
		     "\n| CREATE | tid %" PRIu64 ", time %" PRIu64 ", parent %" PRIu64
		     ", name `%.*s`, inode %" PRIu64 ", mode 0%o, uid %" PRIu32 ", gid %" PRIu32
		     ", device %" PRIu64 " |\n",
		     op->tid, op->time_ns, op->create.parent, (int)op->create.name.len,
		     (const char *)op->create.name.data, op->create.ino, op->create.mode, op->create.uid,
		     op->create.gid, op->create.rdev);
	assert_line(&line);
}

static void assert_write_line(const struct op *op)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;

	assert_int_equal(op->write.n_pieces, 1);
	assert_int_equal(op->write.pieces[0].kind, PIECE_CHUNK);
	buf_add_text(&line,
		     "\n| WRITE | tid %" PRIu64 ", time %" PRIu64 ", inode %" PRIu64 ", offset %" PRIu64
		     ", flags %" PRIu32 ", piece: chunk %" PRIu64 ", offset %" PRIu32 ", length %" PRIu32
		     " |\n",
		     op->tid, op->time_ns, op->write.ino, op->write.offset, op->write.flags,
		     op->write.pieces[0].ref, op->write.pieces[0].off, op->write.pieces[0].len);
	assert_line(&line);
}

static void assert_chunks_line(struct span body)
{
	CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	uint8_t name[HASH_BYTES];
	size_t n;

	assert_int_equal(chunks_decode(body, &entries, &n, NULL), 0);
	assert_int_equal(n, 1);
	keyring_chunk_name(keys, data_plain.data, data_plain.len, name);
	assert_memory_equal(entries[0].name, name, HASH_BYTES);
	buf_add_text(&line, "\n| CHUNKS | chunk 0: %" PRIu32 " bytes, name `", entries[0].len);
	for (size_t i = 0; i < HASH_BYTES; i++)
		buf_add_text(&line, "%02x", name[i]);
	buf_add_text(&line, "` |\n");
	assert_line(&line);
}

static struct op read_op(struct cursor *c, struct op_base *base)
{
	struct span body;
	struct op op;
	uint8_t type;

	assert_int_equal(record_next(c, &type, &body, NULL), 1);
	assert_int_equal(op_decode(type, body, base, &op, NULL), 0);
	return op;
}

static void the_records_say_what_the_text_says(void **state)
{
	struct cursor c = cursor_of(meta_plain.data, meta_plain.len);
	struct op_base base = { 0, 0 };
	struct span body;
	struct op op;
	uint8_t type;

	(void)state;
	assert_int_equal(record_next(&c, &type, &body, NULL), 1);
	assert_int_equal(type, RECORD_CHUNKS);
	assert_chunks_line(body);
	op = read_op(&c, &base);
	assert_int_equal(op.type, OP_CREATE);
	assert_create_line(&op);
	op = read_op(&c, &base);
	assert_int_equal(op.type, OP_WRITE);
	assert_write_line(&op);
	op_release(&op);
	assert_int_equal(record_next(&c, &type, &body, NULL), 0);
}

static void the_commit_says_what_the_text_says(void **state)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	struct commit c;

	(void)state;
	assert_int_equal(commit_decode(image.data + image.len - COMMIT_BODY_BYTES, &c, NULL), 0);
	buf_add_text(&line,
		     "\n| commit | number %" PRIu64 ", tid %" PRIu64 ", time %" PRIu64 ", epoch %" PRIu32
		     ", flags %" PRIu32 ", frames %" PRIu32 ", table %" PRIu32 " |\n",
		     c.number, c.tid, c.time_ns, c.epoch, c.flags, c.frames, c.table_offset);
	assert_line(&line);
}

static void the_head_says_what_the_text_says(void **state)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT, want = BUF_INIT;
	uint32_t offset = (uint32_t)(image.len - COMMIT_FRAME_BYTES);
	struct epoch_cert cert = { .epoch = 1 };
	uint8_t sum[HASH_BYTES];
	struct head h;
	size_t len;
	const char *at = strstr((const char *)text.data, "\n    holdfast-head:") + 1;

	(void)state;
	at = strstr(at, "\n    holdfast-head:"); /* the first shows the form */
	assert_non_null(at);
	at = head_find(at, strlen(at), &len);
	assert_int_equal(head_line_decode(at, len, &h, NULL), 0);
	assert_memory_equal(h.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	memcpy(cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	assert_int_equal(head_check_signature(&h, &cert), 0);
	buf_add_text(&want,
		     "\n| head | segment %" PRIu32 ", offset %" PRIu32 ", commit %" PRIu64 ", tid %" PRIu64
		     ", time %" PRIu64 ", epoch %" PRIu32 " |\n",
		     h.segment, h.offset, h.commit.number, h.commit.tid, h.commit.time_ns, h.commit.epoch);
	assert_line(&want);

	/* and the same line from the log of the example */
	assert_int_equal(h.offset, offset);
	h = (struct head){ .segment = 1, .offset = offset };
	memcpy(h.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	assert_int_equal(commit_decode(image.data + image.len - COMMIT_BODY_BYTES, &h.commit, NULL), 0);
	head_line_encode(&h, &line);
	assert_int_equal(line.len, len);
	assert_memory_equal(line.data, at, len);
	buf_clear(&want);
	assert_int_equal(token_decode("holdfast-head:", buf_cstr(&line), line.len, &want), 0);
	hash_one("holdfast head", want.data, want.len - 4, sum, HASH_BYTES);
	assert_stated("head checksum", sum, 4);
	assert_memory_equal(want.data + want.len - 4, sum, 4);
}

/* --- and the other way: the same bytes from the same values */

static void write_header(struct buf *out)
{
	struct segment_header h = { .segment = 1, .epoch = 1 };

	h.cert = (struct epoch_cert){
		.epoch = 1,
		.format_floor = FORMAT_VERSION,
		.created_ns = UINT64_C(1700000000000000000),
		.first_segment = 1,
	};
	memcpy(h.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	memcpy(h.cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	epoch_cert_sign(&h.cert, owner);
	segment_header_encode(&h, out);
}

static void write_frame(uint8_t type, uint8_t first_nonce_byte, const struct buf *plain, struct chain *chain,
			struct buf *out)
{
	struct frame_header h = { .type = type, .body_len = (uint32_t)plain->len + TAG_BYTES };
	uint8_t header[FRAME_HEADER_BYTES], ad[FRAME_AD_BYTES], hash[HASH_BYTES];
	const struct sealing sealing = { h.nonce, ad, sizeof(ad), 0 };
	size_t start = out->len;

	for (size_t i = 0; i < NONCE_BYTES; i++)
		h.nonce[i] = (uint8_t)(first_nonce_byte + i);
	frame_header_encode(&h, header);
	frame_ad(owner_volume_id(owner), 1, (uint32_t)start, header, ad);
	buf_add(out, header, sizeof(header));
	buf_add_zeros(out, plain->len + TAG_BYTES);
	keyring_seal(keys, &sealing, plain->data, plain->len, out->data + start + FRAME_HEADER_BYTES);
	hash_one(NULL, out->data + start, out->len - start, hash, sizeof(hash));
	chain_frame(chain, hash);
}

static void write_commit(struct chain *chain, struct buf *out)
{
	const struct frame_header h = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	struct commit c = {
		.number = 1, .tid = 2, .time_ns = UINT64_C(1700000002000000000), .epoch = 1, .frames = 2
	};
	uint8_t header[FRAME_HEADER_BYTES], body[COMMIT_BODY_BYTES];

	frame_header_encode(&h, header);
	commit_encode(&c, body);
	chain_commit(chain, header, body, c.chain);
	commit_encode(&c, body);
	commit_sign(keys, 1, (uint32_t)out->len, body);
	buf_add(out, header, sizeof(header));
	buf_add(out, body, sizeof(body));
}

static void write_records(struct buf *out)
{
	struct piece piece = { .kind = PIECE_CHUNK, .len = (uint32_t)data_plain.len };
	const struct op create = {
		.type = OP_CREATE,
		.tid = 1,
		.time_ns = UINT64_C(1700000001000000000),
		.create = { .parent = 1,
			    .ino = 2,
			    .name = { (const uint8_t *)"hello", 5 },
			    .mode = S_IFREG | 0644,
			    .uid = 1000,
			    .gid = 100 },
	};
	const struct op write = {
		.type = OP_WRITE,
		.tid = 2,
		.time_ns = UINT64_C(1700000001500000000),
		.write = { .ino = 2, .pieces = &piece, .n_pieces = 1 },
	};
	struct chunk_entry chunk = { .len = piece.len };
	struct op_base base = { 0, 0 };

	keyring_chunk_name(keys, data_plain.data, data_plain.len, chunk.name);
	chunks_encode(&chunk, 1, out);
	op_encode(&create, &base, out);
	op_encode(&write, &base, out);
}

static void the_same_values_make_the_same_bytes(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT, records = BUF_INIT;
	struct chain chain;

	(void)state;
	write_records(&records);
	assert_int_equal(records.len, meta_plain.len);
	assert_memory_equal(records.data, meta_plain.data, records.len);

	write_header(&log);
	chain_start(&chain, log.data);
	write_frame(FRAME_DATA, 0x40, &data_plain, &chain, &log);
	write_frame(FRAME_META, 0x60, &records, &chain, &log);
	write_commit(&chain, &log);
	assert_int_equal(log.len, image.len);
	assert_memory_equal(log.data, image.data, log.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_follow_from_the_seeds),
		cmocka_unit_test(the_wrapped_keys_open),
		cmocka_unit_test(the_header_opens),
		cmocka_unit_test(the_frames_open),
		cmocka_unit_test(the_chain_and_the_signature_hold),
		cmocka_unit_test(the_records_say_what_the_text_says),
		cmocka_unit_test(the_commit_says_what_the_text_says),
		cmocka_unit_test(the_head_says_what_the_text_says),
		cmocka_unit_test(the_same_values_make_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
