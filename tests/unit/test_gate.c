/* SPDX-License-Identifier: MIT */
/* Who is let in, for how long, and who has to go: by a clock that the test makes up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/node/gate.h"

enum { GUESTS_MAX = 400 };

static const uint64_t second = UINT64_C(1000000000);
static _Atomic uint64_t clock_ns;

static uint64_t made_up(void *state)
{
	(void)state;
	return atomic_load(&clock_ns);
}

struct bench {
	struct os os;
	struct gate *gate;
	struct guest *guests[GUESTS_MAX];
	int ours[GUESTS_MAX], theirs[GUESTS_MAX]; /* two ends of a socket */
	size_t n;
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	atomic_store(&clock_ns, 1000 * second);
	b->os = *os_posix();
	b->os.monotonic_ns = made_up;
	assert_int_equal(gate_start(&b->os, &b->gate, NULL), 0);
}

static void bench_release(struct bench *b)
{
	for (size_t i = 0; i < b->n; i++) {
		gate_leave(b->gate, b->guests[i]);
		(void)close(b->ours[i]);
		(void)close(b->theirs[i]);
	}
	gate_stop(b->gate);
}

static size_t enter(struct bench *b, const char *address)
{
	struct sockaddr_in ip4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6 };
	const bool six = strchr(address, ':') != NULL;
	int ends[2];

	assert_true(b->n < GUESTS_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, address,
				   six ? (void *)&ip6.sin6_addr : (void *)&ip4.sin_addr),
			 1);
	b->ours[b->n] = ends[0];
	b->theirs[b->n] = ends[1];
	b->guests[b->n] =
		gate_enter(b->gate, ends[0], six ? (struct sockaddr *)&ip6 : (struct sockaddr *)&ip4);
	assert_non_null(b->guests[b->n]);
	atomic_fetch_add(&clock_ns, 1000); /* no two at the same time */
	return b->n++;
}

static bool is_cut(const struct bench *b, size_t i)
{
	char byte;

	return recv(b->theirs[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static size_t count_cut(const struct bench *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += is_cut(b, i);
	return n;
}

static void pass(struct bench *b, uint64_t seconds)
{
	(void)gate_look(b->gate, atomic_fetch_add(&clock_ns, seconds * second) + seconds * second);
}

/* The newcomer is let in; an unknown one of its address goes, the oldest first; a known one stays. */
static void test_one_address(void **state)
{
	static const char volume[] = "a volume";
	struct bench b;

	(void)state;
	bench_init(&b);
	(void)enter(&b, "192.0.2.2");
	assert_true(gate_know(b.gate, b.guests[0], volume, false));
	gate_go(b.gate, b.guests[0], GATE_IDLE, 0);
	for (int i = 1; i <= GATE_OF_ADDRESS_MAX; i++)
		(void)enter(&b, "192.0.2.2");
	assert_false(is_cut(&b, 0));
	assert_true(is_cut(&b, 1));
	assert_int_equal(count_cut(&b), 1);
	(void)enter(&b, "::ffff:192.0.2.2"); /* the same, said in another way */
	assert_true(is_cut(&b, 2));
	(void)enter(&b, "192.0.2.3");
	assert_int_equal(count_cut(&b), 2);
	bench_release(&b);
}

static void test_ipv6(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	for (int i = 0; i <= GATE_OF_ADDRESS_MAX; i++) {
		char address[64];

		(void)snprintf(address, sizeof(address), "2001:db8:1:2::%x", i + 1);
		(void)enter(&b, address);
	}
	assert_int_equal(count_cut(&b), 1); /* who has one address has 2^64 of them */
	(void)enter(&b, "2001:db8:1:3::1");
	assert_int_equal(count_cut(&b), 1);
	bench_release(&b);
}

/* In all: one of the address that has most goes. */
static void test_all(void **state)
{
	struct bench b;
	size_t honest;

	(void)state;
	bench_init(&b);
	honest = enter(&b, "198.51.100.1");
	for (int i = 0; i < GATE_GUESTS_MAX; i++) {
		char address[32];

		(void)snprintf(address, sizeof(address), "192.0.2.%d", i / GATE_OF_ADDRESS_MAX);
		(void)enter(&b, address);
	}
	assert_int_equal(count_cut(&b), 1);
	assert_false(is_cut(&b, honest));
	honest = enter(&b, "198.51.100.2");
	assert_int_equal(count_cut(&b), 2);
	assert_false(is_cut(&b, honest));
	bench_release(&b);
}

static _Atomic unsigned lines;
static char last_line[200];

/* Whoever takes a line may take his time: nobody at the gate waits for that. */
static void note_line(void *arg, int priority, const char *line)
{
	struct gate_stats stats;

	(void)priority;
	gate_stats(arg, &stats);
	(void)snprintf(last_line, sizeof(last_line), "%s", line);
	atomic_fetch_add(&lines, 1);
}

/* When all that are there are known and have something under way, it is the newcomer. */
static void test_turned_away(void **state)
{
	static const char volumes[GATE_OF_ADDRESS_MAX];
	struct bench b;

	(void)state;
	bench_init(&b);
	for (int i = 0; i < GATE_OF_ADDRESS_MAX; i++) {
		(void)enter(&b, "192.0.2.2");
		assert_true(gate_know(b.gate, b.guests[i], &volumes[i], false));
		gate_go(b.gate, b.guests[i], GATE_BODY, 1000);
	}
	hf_set_log(note_line, b.gate);
	assert_true(is_cut(&b, enter(&b, "192.0.2.2")));
	hf_set_log(NULL, NULL);
	assert_non_null(strstr(last_line, "1 turned away"));
	assert_int_equal(count_cut(&b), 1);
	gate_go(b.gate, b.guests[7], GATE_IDLE, 0); /* one has its answer */
	assert_false(is_cut(&b, enter(&b, "192.0.2.2")));
	assert_true(is_cut(&b, 7));
	bench_release(&b);
}

/* A crowd is told once a minute, and the end of it as well, though nothing happens any more. */
static void test_told(void **state)
{
	struct bench b;

	(void)state;
	atomic_store(&lines, 0);
	bench_init(&b);
	hf_set_log(note_line, b.gate);
	for (int i = 0; i < GATE_OF_ADDRESS_MAX + 3; i++)
		gate_go(b.gate, b.guests[enter(&b, "192.0.2.2")], GATE_WORK, 0);
	assert_int_equal(atomic_load(&lines), 1);
	assert_non_null(strstr(last_line, "0 for being too slow, 1 unknown"));
	pass(&b, 59);
	assert_int_equal(atomic_load(&lines), 1);
	pass(&b, 2);
	assert_int_equal(atomic_load(&lines), 2);
	assert_non_null(strstr(last_line, "0 for being too slow, 2 unknown"));
	pass(&b, 120);
	assert_int_equal(atomic_load(&lines), 2);
	bench_release(&b);
	hf_set_log(NULL, NULL);
}

static void test_time(void **state)
{
	struct bench b;
	size_t headers, body, answer, work, idle;

	(void)state;
	bench_init(&b);
	headers = enter(&b, "192.0.2.1");
	body = enter(&b, "192.0.2.2");
	answer = enter(&b, "192.0.2.3");
	work = enter(&b, "192.0.2.4");
	idle = enter(&b, "192.0.2.5");
	gate_go(b.gate, b.guests[body], GATE_BODY, 10 * GATE_BYTES_PER_S);
	gate_go(b.gate, b.guests[answer], GATE_ANSWER, 20 * GATE_BYTES_PER_S);
	gate_go(b.gate, b.guests[work], GATE_WORK, 0);
	gate_go(b.gate, b.guests[idle], GATE_IDLE, 0);
	pass(&b, GATE_HEADERS_S - 2);
	assert_int_equal(count_cut(&b), 0);
	gate_go(b.gate, b.guests[headers], GATE_HEADERS, 0); /* the request line: no new beginning */
	gate_go(b.gate, b.guests[idle], GATE_HEADERS, 0);    /* but of the next request's headers */
	pass(&b, 2);
	assert_true(is_cut(&b, headers));
	assert_int_equal(count_cut(&b), 1);
	pass(&b, GATE_HEADERS_S - 3);
	assert_false(is_cut(&b, idle));
	pass(&b, 1);
	assert_true(is_cut(&b, idle));
	assert_false(is_cut(&b, body));
	pass(&b, 2);
	assert_true(is_cut(&b, body));
	assert_false(is_cut(&b, answer));
	pass(&b, 10);
	assert_true(is_cut(&b, answer));
	pass(&b, 100000);
	assert_false(is_cut(&b, work));
	bench_release(&b);
}

/* A key's requests at once; the owner has his own. */
static void test_one_key(void **state)
{
	static const char one[] = "one", other[] = "other";
	struct bench b;
	size_t i;

	(void)state;
	bench_init(&b);
	for (i = 0; i <= GATE_OF_KEY_MAX; i++) {
		(void)enter(&b, "192.0.2.2");
		assert_int_equal(gate_know(b.gate, b.guests[i], one, false), i < GATE_OF_KEY_MAX);
	}
	assert_true(gate_know(b.gate, b.guests[enter(&b, "192.0.2.2")], one, true));
	assert_true(gate_know(b.gate, b.guests[enter(&b, "192.0.2.2")], other, false));
	gate_go(b.gate, b.guests[3], GATE_IDLE, 0);
	assert_true(gate_know(b.gate, b.guests[GATE_OF_KEY_MAX], one, false));
	bench_release(&b);
}

/* --- one key, many guests */

static const char thiefs[] = "a volume whose key was stolen", others[] = "another volume";

static size_t known(struct bench *b, const char *address, const void *volume, bool is_owner)
{
	size_t i = enter(b, address);

	assert_true(gate_know(b->gate, b->guests[i], volume, is_owner));
	gate_go(b->gate, b->guests[i], GATE_IDLE, 0);
	return i;
}

/* Each was proved once, and then asks for something that never is. */
static void test_many_of_a_key(void **state)
{
	struct bench b;
	size_t honest;
	char address[32];

	(void)state;
	bench_init(&b);
	for (int i = 0; i < GATE_GUESTS_MAX; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.%d", i / GATE_OF_ADDRESS_MAX);
		gate_go(b.gate, b.guests[known(&b, address, thiefs, false)], GATE_BODY, 208);
	}
	assert_int_equal(count_cut(&b), 0);
	honest = enter(&b, "198.51.100.1");
	assert_int_equal(count_cut(&b), 1);
	assert_false(is_cut(&b, honest));
	/* Before he is known as well he is kept, when the next of the thief's comes. */
	(void)enter(&b, "192.0.2.99");
	assert_false(is_cut(&b, honest));
	assert_int_equal(count_cut(&b), 2);
	bench_release(&b);
}

/* Of more than eight the one is unknown again that was proved longest ago, and of the owner's none. */
static void test_known_of_a_key(void **state)
{
	struct bench b;
	size_t owner, other, first, i;

	(void)state;
	bench_init(&b);
	owner = known(&b, "192.0.2.2", thiefs, true);
	other = known(&b, "192.0.2.2", others, false);
	first = known(&b, "192.0.2.2", thiefs, false);
	for (i = 1; i < GATE_OF_ADDRESS_MAX - 2; i++)
		(void)known(&b, "192.0.2.2", thiefs, false);
	for (i = 0; i < GATE_OF_ADDRESS_MAX - 2 - GATE_OF_KEY_MAX; i++) {
		(void)known(&b, "192.0.2.2", thiefs, false);
		assert_true(is_cut(&b, first + i));
	}
	assert_false(is_cut(&b, owner));
	assert_false(is_cut(&b, other));
	bench_release(&b);
}

static void test_new_epoch(void **state)
{
	struct bench b;
	size_t idle, body, answer, owner, other, asks;

	(void)state;
	bench_init(&b);
	idle = known(&b, "192.0.2.2", thiefs, false);
	body = known(&b, "192.0.2.2", thiefs, false);
	answer = known(&b, "192.0.2.2", thiefs, false);
	owner = known(&b, "192.0.2.2", thiefs, true);
	other = known(&b, "192.0.2.2", others, false);
	asks = known(&b, "192.0.2.2", thiefs, false);
	assert_true(gate_know(b.gate, b.guests[body], thiefs, false));
	assert_true(gate_reserve(b.gate, b.guests[body], thiefs, GATE_VOLUME_BODY_BYTES));
	gate_go(b.gate, b.guests[body], GATE_BODY, GATE_VOLUME_BODY_BYTES);
	gate_go(b.gate, b.guests[answer], GATE_ANSWER, 1 << 20);
	gate_begin_epoch(b.gate, b.guests[asks], thiefs);
	assert_true(is_cut(&b, idle));
	assert_true(is_cut(&b, answer));
	assert_int_equal(count_cut(&b), 2);
	/* The successor has all of the volume's share, and who goes on with the old one has little time. */
	assert_true(gate_know(b.gate, b.guests[asks], thiefs, false));
	assert_true(gate_reserve(b.gate, b.guests[asks], thiefs, GATE_VOLUME_BODY_BYTES));
	pass(&b, GATE_TRANSFER_S - 1);
	assert_false(is_cut(&b, body));
	pass(&b, 2);
	assert_true(is_cut(&b, body));
	assert_int_equal(is_cut(&b, owner), is_cut(&b, other)); /* idle for as long as each other */
	bench_release(&b);
}

static void test_bodies(void **state)
{
	enum { MIB = 1 << 20 };
	static const char volumes[32];
	struct bench b;
	size_t i;

	(void)state;
	bench_init(&b);
	for (i = 0; i < 20; i++)
		(void)enter(&b, "192.0.2.2");
	for (i = 0; i < 3; i++) { /* of one volume */
		assert_true(gate_know(b.gate, b.guests[i], &volumes[0], false));
		assert_int_equal(gate_reserve(b.gate, b.guests[i], &volumes[0], 8 * MIB), i < 2);
	}
	/* A larger one comes alone, of its volume and of all. */
	assert_false(gate_reserve(b.gate, b.guests[2], &volumes[0], 90 * MIB));
	assert_true(gate_know(b.gate, b.guests[3], &volumes[1], false));
	assert_true(gate_reserve(b.gate, b.guests[3], &volumes[1], 90 * MIB));
	assert_true(gate_know(b.gate, b.guests[4], &volumes[2], false));
	assert_false(gate_reserve(b.gate, b.guests[4], &volumes[2], 17 * MIB));
	/* All together, and what the end of a request gives back. */
	for (i = 5; i < 17; i++) {
		assert_true(gate_know(b.gate, b.guests[i], &volumes[i], false));
		assert_int_equal(gate_reserve(b.gate, b.guests[i], &volumes[i], 16 * MIB), i < 16);
	}
	/* A small one comes however much there is. */
	assert_false(gate_reserve(b.gate, b.guests[17], &volumes[0], GATE_SMALL_BODY_BYTES + 1));
	assert_true(gate_reserve(b.gate, b.guests[17], &volumes[0], GATE_SMALL_BODY_BYTES));
	gate_go(b.gate, b.guests[0], GATE_IDLE, 0);
	gate_go(b.gate, b.guests[1], GATE_IDLE, 0);
	assert_true(gate_reserve(b.gate, b.guests[16], &volumes[16], 16 * MIB));
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_address),   cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_all),           cmocka_unit_test(test_turned_away),
		cmocka_unit_test(test_time),          cmocka_unit_test(test_one_key),
		cmocka_unit_test(test_many_of_a_key), cmocka_unit_test(test_known_of_a_key),
		cmocka_unit_test(test_new_epoch),     cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
