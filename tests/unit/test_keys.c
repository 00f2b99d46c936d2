/* SPDX-License-Identifier: MIT */
/* How the keys of a store are kept: wrapped, elsewhere, changed from the one to the other, and asked for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/format/format.h"
#include "store/os/os.h"
#include "store/volume/keys.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

/* --- somebody who is asked */

static struct {
	const char *passphrase; /* NULL: nobody knows it */
	unsigned asked;
	uint8_t key[HF_KEY_FILE_BYTES_MAX];
	size_t key_len;
} asked;

static ssize_t tell_passphrase(void *arg, const char *path, char ret[HF_PASSPHRASE_BYTES_MAX],
			       struct hf_error *err)
{
	assert_ptr_equal(arg, &asked);
	assert_non_null(path);
	asked.asked++;
	if (!asked.passphrase)
		return hf_error_set(err, -ENOKEY, "nobody knows it");
	memcpy(ret, asked.passphrase, strlen(asked.passphrase));
	return (ssize_t)strlen(asked.passphrase);
}

static ssize_t tell_key(void *arg, const char *path, uint8_t ret[HF_KEY_FILE_BYTES_MAX], struct hf_error *err)
{
	(void)arg;
	(void)path;
	(void)err;
	memcpy(ret, asked.key, asked.key_len);
	return (ssize_t)asked.key_len;
}

static int setup(void **state)
{
	static const struct hf_unlock how = { tell_passphrase, tell_key, &asked };

	(void)state;
	memset(&asked, 0, sizeof(asked));
	hf_unlock_by(&how);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hf_unlock_by(NULL);
	return 0;
}

/* --- stores */

static void name_in(const struct store_fixture *f, const char *name, char out[400])
{
	(void)snprintf(out, 400, "%s/%s", f->path, name);
}

static void read_in(const struct store_fixture *f, const char *name, struct buf *out)
{
	char path[400];

	name_in(f, name, path);
	buf_clear(out);
	assert_int_equal(os_read_file(os_posix(), path, 4096, out), 0);
}

static void write_in(const struct store_fixture *f, const char *name, const struct buf *data)
{
	char path[400];

	name_in(f, name, path);
	assert_int_equal(os_write_file(os_posix(), path, data->data, data->len, 0600), 0);
}

static bool is_in(const struct store_fixture *f, const char *name)
{
	char path[400];

	name_in(f, name, path);
	return access(path, F_OK) == 0;
}

/* At the cost of a moment. */
static struct hf_keeping by(const char *passphrase)
{
	return (struct hf_keeping){ .how = HF_KEY_PASSPHRASE,
				    .passphrase = passphrase,
				    .passphrase_len = strlen(passphrase),
				    .passes = 1,
				    .memory_kib = 64 };
}

static void keep(struct store_fixture *f, struct hf_keeping k)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_key_keep(f->path, &k, &err) < 0)
		fail_msg("%s", err.text);
}

static void keep_fails(struct store_fixture *f, struct hf_keeping k, int code, const char *words)
{
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(hf_key_keep(f->path, &k, &err), code);
	if (!strstr(err.text, words))
		fail_msg("it says: %s", err.text);
}

static void expect_kept(struct store_fixture *f, enum hf_key_kept how)
{
	struct hf_key_info info;
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(hf_key_kept(f->path, &info, &err), 0);
	assert_int_equal(info.how, how);
	assert_int_equal(info.passes, how == HF_KEY_PASSPHRASE ? 1 : 0);
	assert_int_equal(info.memory_kib, how == HF_KEY_PASSPHRASE ? 64 : 0);
}

/* It opens, can be written, and holds what it held. */
static void works(struct store_fixture *f)
{
	char name[32];
	static unsigned n;

	store_open(f, 0);
	(void)snprintf(name, sizeof(name), "file%u", n++);
	put_text(f, make_file(f, name), 0, "words");
	commit(f);
	store_close(f);
	assert_int_equal(store_faults(f), 0);
}

/* A store at rest with something in it, and the bytes of its plain keys. */
static void make(struct store_fixture *f, struct buf *volume, struct buf *writer)
{
	store_fixture_init(f, NULL);
	put_text(f, make_file(f, "first"), 0, "something");
	commit(f);
	store_close(f);
	read_in(f, "keys/volume.key", volume);
	read_in(f, "keys/writer.key", writer);
}

static bool holds(const struct buf *b, const uint8_t *secret)
{
	return memmem(b->data, b->len, secret, SEED_BYTES) != NULL;
}

/* --- tests */

static void a_passphrase_is_asked_for(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT, now = BUF_INIT;
	struct store_fixture f;

	(void)state;
	make(&f, &volume, &writer);
	expect_kept(&f, HF_KEY_PLAIN);
	works(&f);
	assert_int_equal(asked.asked, 0);
	keep(&f, by("open sesame"));
	expect_kept(&f, HF_KEY_PASSPHRASE);
	read_in(&f, "keys/volume.key", &now);
	assert_int_equal(now.len, WRAPPED_KEY_FILE_BYTES);
	assert_false(holds(&now, volume.data + 32));
	read_in(&f, "keys/writer.key", &now);
	assert_int_equal(now.len, WRAPPED_KEY_FILE_BYTES);
	assert_false(holds(&now, writer.data + 32));

	assert_int_equal(asked.asked, 0);
	store_open_fails(&f, 0, -ENOKEY, "nobody knows it");
	asked.passphrase = "open Sesame";
	store_open_fails(&f, 0, -EKEYREJECTED, "wrong passphrase");
	asked.passphrase = "open sesame";
	works(&f); /* and what it checks, asked once each */
	assert_int_equal(asked.asked, 4);
	hf_unlock_by(NULL);
	store_open_fails(&f, 0, -ENOKEY, "none was given");
	store_fixture_release(&f);
}

static void keep_words(void *arg, const char *what)
{
	(void)snprintf(arg, HF_ERROR_TEXT_BYTES, "%s", what);
}

/* Who serves it has the keys, and asks nobody to check it. */
static void an_open_store_is_checked_with_its_keys(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT;
	char words[HF_ERROR_TEXT_BYTES] = "";
	struct hf_error err = HF_ERROR_INIT;
	struct store_fixture f;

	(void)state;
	make(&f, &volume, &writer);
	keep(&f, by("a"));
	asked.passphrase = "a";
	store_open(&f, 0);
	asked.passphrase = NULL;
	if (hf_store_check_open(f.store, NULL, NULL, NULL, NULL, &err) != 0)
		fail_msg("%s", err.text);
	writer.data[40] ^= 1; /* and looks at the files all the same */
	write_in(&f, "keys/writer.key", &writer);
	assert_int_equal(hf_store_check_open(f.store, keep_words, words, NULL, NULL, &err), 1);
	assert_non_null(strstr(words, "writer.key"));
	keep_fails(&f, by("b"), -EBUSY, "open already");
	store_fixture_release(&f);
}

static void it_can_be_changed_and_taken_off(void **state)
{
	CLEANUP(buf_release)
	struct buf volume = BUF_INIT, writer = BUF_INIT, now = BUF_INIT, before = BUF_INIT;
	struct store_fixture f;

	(void)state;
	make(&f, &volume, &writer);
	keep(&f, by("first"));
	read_in(&f, "keys/volume.key", &before);
	keep_fails(&f, by("second"), -ENOKEY, "nobody knows it");
	asked.passphrase = "other";
	keep_fails(&f, by("second"), -EKEYREJECTED, "wrong passphrase");
	asked.passphrase = "first";
	keep_fails(&f, by(""), -EINVAL, "1 to 1024 bytes");
	read_in(&f, "keys/volume.key", &now);
	assert_int_equal(now.len, before.len);
	assert_memory_equal(now.data, before.data, now.len); /* a failure changes nothing */

	keep(&f, by("second"));
	store_open_fails(&f, 0, -EKEYREJECTED, "wrong passphrase");
	asked.passphrase = "second";
	works(&f);
	keep(&f, by("second")); /* the same, but salt and nonce */
	read_in(&f, "keys/volume.key", &now);
	assert_memory_not_equal(now.data + 40, before.data + 40, 40);

	keep(&f, (struct hf_keeping){ .how = HF_KEY_PLAIN });
	expect_kept(&f, HF_KEY_PLAIN);
	read_in(&f, "keys/volume.key", &now);
	assert_memory_equal(now.data, volume.data, volume.len); /* as it ever was */
	read_in(&f, "keys/writer.key", &now);
	assert_memory_equal(now.data, writer.data, writer.len);
	asked.passphrase = NULL;
	works(&f);
	store_fixture_release(&f);
}

/* What a rekey that was cut short left in the store is the same key to whoever finds it. */
static void a_writer_that_waits_is_wrapped_too(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT, now = BUF_INIT;
	struct store_fixture f;

	(void)state;
	make(&f, &volume, &writer);
	write_in(&f, "keys/writer.next", &writer);
	keep(&f, (struct hf_keeping){ .how = HF_KEY_PLAIN });
	read_in(&f, "keys/writer.next", &now);
	assert_true(holds(&now, writer.data + 32));

	keep(&f, by("first"));
	read_in(&f, "keys/writer.next", &now);
	assert_false(holds(&now, writer.data + 32));
	assert_int_equal(now.len, WRAPPED_KEY_FILE_BYTES);
	asked.passphrase = "first";
	works(&f);
	store_fixture_release(&f);
}

static void the_volume_key_may_lie_elsewhere(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT, key = BUF_INIT;
	struct hf_keeping elsewhere = { .how = HF_KEY_ELSEWHERE };
	struct store_fixture f;
	struct stat st;
	char file[400];

	(void)state;
	make(&f, &volume, &writer);
	(void)snprintf(file, sizeof(file), "%s/the.key", f.dir);
	elsewhere.key_file = file;
	assert_int_equal(os_write_file(os_posix(), file, "x", 1, 0644), 0);
	keep_fails(&f, elsewhere, -EEXIST, "there already");
	works(&f); /* its writer key is wrapped by now, and that is fine */
	assert_int_equal(unlink(file), 0);
	keep(&f, elsewhere);
	expect_kept(&f, HF_KEY_ELSEWHERE);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(os_read_file(os_posix(), file, 4096, &key), 0);
	assert_int_equal(key.len, volume.len);
	assert_memory_equal(key.data, volume.data, key.len);

	store_open_fails(&f, 0, -ENOENT, "hand it in");
	memcpy(asked.key, key.data, key.len);
	asked.key_len = key.len;
	works(&f);
	asked.key[40] ^= 1;
	store_open_fails(&f, 0, -EUCLEAN, "handed in");
	asked.key[40] ^= 1;
	asked.key_len--;
	store_open_fails(&f, 0, -EUCLEAN, "handed in");
	asked.key_len++;

	keep(&f, by("back again")); /* into the store, wrapped */
	expect_kept(&f, HF_KEY_PASSPHRASE);
	asked.key_len = 0;
	asked.passphrase = "back again";
	works(&f);
	assert_int_equal(unlink(file), 0);
	keep(&f, elsewhere); /* and out again as it is */
	buf_clear(&key);
	assert_int_equal(os_read_file(os_posix(), file, 4096, &key), 0);
	assert_int_equal(key.len, WRAPPED_KEY_FILE_BYTES);
	memcpy(asked.key, key.data, key.len);
	asked.key_len = key.len;
	works(&f);
	asked.passphrase = "not this";
	store_open_fails(&f, 0, -EKEYREJECTED, "wrong passphrase");
	store_fixture_release(&f);
}

/* From the first byte on: no plain key was ever on the disk. */
static void a_store_can_be_made_so(void **state)
{
	CLEANUP(buf_release) struct buf key = BUF_INIT;
	struct hf_keeping k = by("from the start");
	struct store_fixture f, other;
	struct hf_error err = HF_ERROR_INIT;
	char file[400];

	(void)state;
	store_fixture_init(&f, NULL);
	store_close(&f);
	other = f;
	(void)snprintf(other.path, sizeof(other.path), "%s/other", f.dir);
	if (hf_store_init_kept(other.path, f.kit, &k, &err) < 0)
		fail_msg("%s", err.text);
	expect_kept(&other, HF_KEY_PASSPHRASE);
	asked.passphrase = "from the start";
	works(&other);

	(void)snprintf(other.path, sizeof(other.path), "%s/third", f.dir);
	(void)snprintf(file, sizeof(file), "%s/third.key", f.dir);
	k.how = HF_KEY_ELSEWHERE;
	k.key_file = file;
	if (hf_store_init_kept(other.path, f.kit, &k, &err) < 0)
		fail_msg("%s", err.text);
	assert_false(is_in(&other, "keys/volume.key"));
	assert_int_equal(os_read_file(os_posix(), file, 4096, &key), 0);
	memcpy(asked.key, key.data, key.len);
	asked.key_len = key.len;
	works(&other);

	/* What is there stays, and nothing is left of a store that could not be made. */
	(void)snprintf(other.path, sizeof(other.path), "%s/fourth", f.dir);
	assert_int_equal(hf_store_init_kept(other.path, f.kit, &k, &err), -EEXIST);
	assert_false(is_in(&other, "."));
	buf_clear(&key);
	assert_int_equal(os_read_file(os_posix(), file, 4096, &key), 0);
	assert_memory_equal(key.data, asked.key, asked.key_len);
	store_fixture_release(&f);
}

/* Of two files that are changed one after the other a crash may leave the first alone. */
static void every_state_between_opens(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT, wrapped_writer = BUF_INIT;
	struct store_fixture f;

	(void)state;
	make(&f, &volume, &writer);
	keep(&f, by("one"));
	asked.passphrase = "one";
	read_in(&f, "keys/writer.key", &wrapped_writer);
	write_in(&f, "keys/writer.key", &writer); /* taking it off, cut short the wrong way round */
	works(&f);
	write_in(&f, "keys/volume.key", &volume);
	write_in(&f, "keys/writer.key", &wrapped_writer);
	works(&f);
	keep(&f, (struct hf_keeping){ .how = HF_KEY_PLAIN });
	works(&f);
	store_fixture_release(&f);
}

/* Nothing that is read from a file is believed: not its cost, not its volume, not its epoch. */
static void a_tampered_file_is_refused(void **state)
{
	CLEANUP(buf_release) struct buf volume = BUF_INIT, writer = BUF_INIT, good = BUF_INIT, bad = BUF_INIT;
	static const struct {
		size_t at;
		uint32_t value;
		int code;
		const char *words;
	} tries[] = {
		{ 32, 17, -EUCLEAN, "17 passes" },
		{ 32, 0, -EUCLEAN, "0 passes" },
		{ 36, UINT32_MAX, -EUCLEAN, "4294967295 KiB" },
		{ 36, (1 << 20) + 1, -EUCLEAN, "no more than 16 over 1048576" },
		{ 36, 7, -EUCLEAN, "7 KiB" },
		{ 36, 128, -EKEYREJECTED, "wrong passphrase" }, /* a cost that could be, and was not */
		{ 12, 1, -EPROTONOSUPPORT, "reserved" },
		{ 16, 0, -EKEYREJECTED, "another volume" },
		{ 40, 0, -EKEYREJECTED, "wrong passphrase" },
		{ 56, 0, -EKEYREJECTED, "wrong passphrase" },
		{ 80, 0, -EKEYREJECTED, "wrong passphrase" },
		{ 124, 0, -EKEYREJECTED, "wrong passphrase" },
	};
	struct store_fixture f;

	(void)state;
	make(&f, &volume, &writer);
	keep(&f, by("one"));
	asked.passphrase = "one";
	read_in(&f, "keys/volume.key", &good);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		unsigned before = asked.asked;

		buf_clear(&bad);
		buf_add(&bad, good.data, good.len);
		put_u32(bad.data + tries[i].at, tries[i].value);
		hash_one(NULL, bad.data, 128, bad.data + 128, SHORT_HASH_BYTES);
		write_in(&f, "keys/volume.key", &bad);
		store_open_fails(&f, 0, tries[i].code, tries[i].words);
		assert_int_equal(asked.asked - before, strstr(tries[i].words, "wrong") ? 1 : 0);
	}
	write_in(&f, "keys/volume.key", &good);
	read_in(&f, "keys/writer.key", &bad);
	put_u32(bad.data + 12, 2); /* another epoch */
	hash_one(NULL, bad.data, 128, bad.data + 128, SHORT_HASH_BYTES);
	write_in(&f, "keys/writer.key", &bad);
	store_open_fails(&f, 0, -EKEYREJECTED, "does not open with this volume's key");
	store_fixture_release(&f);
}

/* --- the codec */

static struct key_wrapped a_wrapped(enum key_file_kind kind)
{
	struct key_wrapped k = { .volume_id = "0123456789abcde", .nonce = "a nonce", .sealed = "sealed" };

	if (kind == KEY_FILE_WRITER) {
		k.epoch = 7;
	} else {
		k.cost = (struct wrap_cost){ 16, 1 << 20 };
		memcpy(k.salt, "salt", 5);
	}
	return k;
}

static void wrapped_files_read_back(void **state)
{
	(void)state;
	assert_int_equal(crypto_init(), 0);
	for (enum key_file_kind kind = KEY_FILE_VOLUME; kind <= KEY_FILE_WRITER; kind++) {
		CLEANUP(buf_release) struct buf b = BUF_INIT;
		struct key_wrapped k = a_wrapped(kind), got;
		struct hf_error err = HF_ERROR_INIT;
		struct key_file plain;

		key_wrapped_encode(kind, &k, &b);
		assert_int_equal(b.len, WRAPPED_KEY_FILE_BYTES);
		assert_true(key_file_is_wrapped(b.data, b.len));
		assert_int_equal(key_wrapped_decode(kind, b.data, b.len, &got, &err), 0);
		assert_memory_equal(&got, &k, sizeof(k));
		assert_int_equal(key_wrapped_decode(!kind, b.data, b.len, &got, &err), -EUCLEAN);
		/* What knows plain ones only says so. */
		assert_int_equal(key_file_decode(kind, b.data, b.len, &plain, &err), -EPROTONOSUPPORT);
		assert_non_null(strstr(err.text, "version 2"));
		for (size_t len = 0; len < b.len; len++)
			assert_true(key_wrapped_decode(kind, b.data, len, &got, &err) < 0);
		for (size_t i = 0; i < b.len; i++) {
			b.data[i] ^= 0x40;
			assert_true(key_wrapped_decode(kind, b.data, b.len, &got, &err) < 0);
			b.data[i] ^= 0x40;
		}
		b.data[10] = kind == KEY_FILE_VOLUME ? 2 : 1; /* the wrapping of the other kind */
		hash_one(NULL, b.data, 128, b.data + 128, SHORT_HASH_BYTES);
		assert_int_equal(key_wrapped_decode(kind, b.data, b.len, &got, &err), -EPROTONOSUPPORT);
		assert_non_null(strstr(err.text, "wrapping"));
	}
}

static void a_writer_has_no_passphrase(void **state)
{
	static const size_t fields[] = { 32, 36, 40, 55 };

	(void)state;
	assert_int_equal(crypto_init(), 0);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		CLEANUP(buf_release) struct buf b = BUF_INIT;
		struct key_wrapped k = a_wrapped(KEY_FILE_WRITER), got;
		struct hf_error err = HF_ERROR_INIT;

		key_wrapped_encode(KEY_FILE_WRITER, &k, &b);
		b.data[fields[i]] = 1;
		hash_one(NULL, b.data, 128, b.data + 128, SHORT_HASH_BYTES);
		assert_int_equal(key_wrapped_decode(KEY_FILE_WRITER, b.data, b.len, &got, &err),
				 -EPROTONOSUPPORT);
	}
}

static void wrappers_differ_by_all_they_are_made_of(void **state)
{
	static const uint8_t nonce[NONCE_BYTES] = { 1 }, secret[SEED_BYTES] = { 2 };
	struct wrap_cost cost = { 1, 64 };
	uint8_t salt[WRAP_SALT_BYTES] = { 3 }, sealed[WRAPPED_BYTES], got[SEED_BYTES] = { 0 };
	struct wrapper *w;

	(void)state;
	assert_int_equal(crypto_init(), 0);
	assert_int_equal(wrapper_of_passphrase("pass", 4, &cost, salt, &w), 0);
	wrapper_seal(w, nonce, "ad", 2, secret, sealed);
	assert_int_equal(wrapper_open(w, nonce, "ad", 2, sealed, got), 0);
	assert_memory_equal(got, secret, sizeof(secret));
	memset(got, 0, sizeof(got));
	assert_int_equal(wrapper_open(w, nonce, "aD", 2, sealed, got), -EKEYREJECTED);
	wrapper_free(w);
	for (int i = 0; i < 5; i++) {
		static const uint8_t zeros[SEED_BYTES];
		struct wrap_cost other = { i == 0 ? 2 : 1, i == 1 ? 72 : 64 };

		salt[0] = i == 2 ? 4 : 3;
		if (i == 4)
			assert_int_equal(wrapper_of_volume_key(secret, &w), 0);
		else
			assert_int_equal(wrapper_of_passphrase(i == 3 ? "past" : "pass", 4, &other, salt, &w),
					 0);
		assert_int_equal(wrapper_open(w, nonce, "ad", 2, sealed, got), -EKEYREJECTED);
		assert_memory_equal(got, zeros, sizeof(zeros));
		wrapper_free(w);
	}
	assert_int_equal(wrapper_of_passphrase("", 0, &cost, salt, &w), -EINVAL);
	assert_int_equal(wrapper_of_passphrase("pass", PASSPHRASE_BYTES_MAX + 1, &cost, salt, &w), -EINVAL);
	cost.memory_kib = WRAP_KIB_MAX + 1;
	assert_int_equal(wrapper_of_passphrase("pass", 4, &cost, salt, &w), -EINVAL);
	wrapper_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_passphrase_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(an_open_store_is_checked_with_its_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(it_can_be_changed_and_taken_off, setup, teardown),
		cmocka_unit_test_setup_teardown(a_writer_that_waits_is_wrapped_too, setup, teardown),
		cmocka_unit_test_setup_teardown(the_volume_key_may_lie_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_can_be_made_so, setup, teardown),
		cmocka_unit_test_setup_teardown(every_state_between_opens, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tampered_file_is_refused, setup, teardown),
		cmocka_unit_test(wrapped_files_read_back),
		cmocka_unit_test(a_writer_has_no_passphrase),
		cmocka_unit_test(wrappers_differ_by_all_they_are_made_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
