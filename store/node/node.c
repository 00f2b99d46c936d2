/* SPDX-License-Identifier: MIT */
/*
 * The server (layer 4): one thread a connection, TLS, limits on everything a stranger can ask for.
 */
#include "holdfast/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>

#include "store/alarm/herald.h"
#include "store/node/pruner.h"
#include "store/node/request.h"
#include "store/node/setup.h"
#include "store/node/status.h"
#include "store/node/watch.h"
#include "store/alarm/acknowledge.h"
#include "store/volume/files.h"

enum {
	CONNECTIONS_MAX = 2 * GATE_GUESTS_MAX, /* those that were cut off take a moment to leave */
	SILENCE_TIMEOUT_S = 30,
	CONNECTION_MEMORY_BYTES = 128 << 10,
	STOP_WAIT_MS = 10000,
	STOP_POLL_MS = 10,
	LOCK_WAIT_MS = 200,
};

struct hf_node {
	char *dir;
	char url[SETUP_ADDRESS_BYTES];
	int lock;
	int listener; /* until the server has it */
	struct identity identity;
	struct service service;
	struct MHD_Daemon *server;
	struct watch *watch;
	struct pruner *pruner;
	struct herald *herald;
	uint64_t silent_after_ns;
};

/* --- the server's callbacks */

static void on_connection(void *arg, struct MHD_Connection *connection, void **guest,
			  enum MHD_ConnectionNotificationCode what)
{
	struct gate *gate = ((struct hf_node *)arg)->service.gate;
	const union MHD_ConnectionInfo *fd, *address;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		gate_leave(gate, *guest);
		*guest = NULL;
		return;
	}
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	*guest = gate_enter(gate, fd->connect_fd, address->client_addr);
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct hf_node *node = arg;

	return request_new(&node->service, connection, target);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data, size_t *len,
				  void **request)
{
	(void)arg;
	(void)connection;
	(void)url;
	(void)version;
	return *request ? request_take(*request, method, data, len) : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode how)
{
	(void)arg;
	(void)connection;
	(void)how;
	request_free(*request);
	*request = NULL;
}

static size_t keep_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg;
	(void)connection;
	return strlen(text);
}

static void on_server_words(void *arg, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void on_server_words(void *arg, const char *fmt, va_list args)
{
	struct service *s = &((struct hf_node *)arg)->service;
	char line[512], note[JOURNAL_NOTE_BYTES];

	if (!service_may_tell(s, &s->of_server, note))
		return;
	(void)vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = 0;
	journal_line(LOG_DEBUG, "%s%s", note, line);
}

/* --- listening */

static int bind_socket(const struct addrinfo *ai)
{
	CLEANUP(cleanup_fd) int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	const int on = 1, off = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (ai->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	memset(&address, 0, sizeof(address));
	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int start_listening(struct hf_node *node, const struct setup *s, struct hf_error *err)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM },
			*found;
	char port[8];
	int r;

	(void)snprintf(port, sizeof(port), "%u", s->port);
	r = getaddrinfo(s->host, port, &hints, &found);
	if (r != 0)
		return hf_error_set(err, -EADDRNOTAVAIL, "cannot listen at %s: %s", s->host, gai_strerror(r));
	node->listener = bind_socket(found);
	freeaddrinfo(found);
	if (node->listener < 0)
		return hf_error_set(err, node->listener, "cannot listen at %s port %s: %s", s->host, port,
				    strerror(-node->listener));
	setup_url(s->host, port_of(node->listener), node->url);
	return 0;
}

/* The port, for hf_node_invite when any free one was asked for. Derived: without it only that says less. */
static void note_address(struct hf_node *node)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	char text[16];

	(void)snprintf(text, sizeof(text), "%u\n", port_of(node->listener));
	if (os_join(&path, node->dir, "address") &&
	    os_write_file(node->service.os, (const char *)path.data, text, strlen(text), 0600) < 0)
		journal_line(LOG_WARNING, "cannot write %s", (const char *)path.data);
}

static int start_server(struct hf_node *node, struct hf_error *err)
{
	const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS |
			       MHD_USE_ITC | MHD_USE_ERROR_LOG;

	/* clang-format off */
	node->server = MHD_start_daemon(flags, 0, NULL, NULL, on_request, node,
		MHD_OPTION_EXTERNAL_LOGGER, on_server_words, node,
		MHD_OPTION_LISTEN_SOCKET, node->listener,
		MHD_OPTION_HTTPS_MEM_CERT, (const char *)node->identity.cert_pem.data,
		MHD_OPTION_HTTPS_MEM_KEY, (const char *)node->identity.key_pem.data,
		MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
		MHD_OPTION_URI_LOG_CALLBACK, on_target, node,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, node,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
		MHD_OPTION_END);
	/* clang-format on */
	if (!node->server)
		return hf_error_set(err, -EIO,
				    "cannot start the server at %s: is the TLS key in %s/keys whole?",
				    node->url, node->dir);
	return 0;
}

/* --- life */

static void node_free(struct hf_node *node)
{
	pruner_free(node->pruner);
	watch_stop(node->watch);
	herald_stop(node->herald);
	alarms_close(node->service.alarms);
	evidence_close(node->service.evidence);
	gate_stop(node->service.gate);
	volumes_close(node->service.volumes);
	identity_release(&node->identity);
	if (node->listener >= 0)
		(void)close(node->listener);
	if (node->lock >= 0)
		(void)close(node->lock);
	(void)pthread_mutex_destroy(&node->service.told_lock);
	free(node->dir);
	free(node);
}

static int start_watching(struct hf_node *node, const struct setup *setup, struct hf_error *err)
{
	struct service *s = &node->service;
	const struct watch_options watch = {
		.os = s->os,
		.dir = node->dir,
		.volumes = s->volumes,
		.alarms = s->alarms,
		.silent_after_ns = node->silent_after_ns,
		.stalled_after_ns = setup->stalled_after_s * UINT64_C(1000000000),
	};
	const struct herald_options herald = {
		.alarms = s->alarms,
		.origin = "node",
		.name = node->identity.name,
		.hook = setup->alarm_hook,
		.url = setup->alarm_url,
	};
	const struct pruner_options pruner = {
		.os = s->os,
		.volumes = s->volumes,
		.alarms = s->alarms,
		.node = node->identity.name,
		.delay_s = setup->prune_delay_s,
	};
	int r = herald_start(&herald, &node->herald, err);

	if (r == 0)
		r = watch_start(&watch, &node->watch, err);
	if (r == 0)
		r = pruner_new(&pruner, &node->pruner, err);
	return r < 0 ? r : pruner_start(node->pruner, err);
}

/* Where nothing can be written, the lock that may be there is taken all the same. */
static int lock_read_only(struct hf_node *node, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;

	if (!os_join(&path, node->dir, "lock"))
		return hf_error_set(err, -ENOMEM, "no memory");
	node->lock = open((const char *)path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (node->lock >= 0 && flock(node->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return hf_error_set(err, -EBUSY, "%s is being served already", node->dir);
	journal_line(LOG_WARNING, "%s is on a read-only file system: this node lets read, and takes nothing",
		     node->dir);
	return 0;
}

static int take_lock(struct hf_node *node, struct hf_error *err)
{
	struct statvfs at;

	node->service.read_only = statvfs(node->dir, &at) == 0 && (at.f_flag & ST_RDONLY);
	if (node->service.read_only)
		return lock_read_only(node, err);
	/* A moment's patience, for who only looks whether it is taken. */
	node->lock = files_lock(node->dir, "serving a node", LOCK_WAIT_MS, NULL, err);
	return node->lock < 0 ? node->lock : 0;
}

/* The others go on without them. */
static void tell_faults(const struct service *s)
{
	const struct volume_fault *f;

	for (size_t i = 0; (f = volumes_nth_fault(s->volumes, i)); i++)
		alarms_raise(
			s->alarms, "damage", f->id_text,
			"it is not served: %s. See holdfast node check; when it is healed, serve the node "
			"anew",
			f->why.text);
}

static int node_open(struct hf_node *node, struct hf_error *err)
{
	struct service *s = &node->service;
	struct setup setup;
	int r = setup_read(s->os, node->dir, &setup, err);

	if (r == 0)
		r = take_lock(node, err);
	if (r < 0)
		return r;
	node->silent_after_ns = setup.silent_after_s * UINT64_C(1000000000);
	s->dir = node->dir;
	s->identity = &node->identity;
	r = identity_load(s->os, node->dir, &node->identity, err);
	if (r == 0)
		r = volumes_open(s->os, node->dir, s->read_only, &s->volumes, err);
	if (r == 0)
		r = evidence_open(s->os, node->dir, &s->evidence, err);
	if (r == 0)
		r = alarms_open(s->os, node->dir, &s->alarms, err);
	if (r == 0)
		r = gate_start(s->os, &s->gate, err);
	if (r == 0)
		r = start_listening(node, &setup, err);
	if (r < 0)
		return r;
	if (!s->read_only)
		note_address(node);
	r = start_watching(node, &setup, err);
	if (r == 0)
		tell_faults(s);
	return r < 0 ? r : start_server(node, err);
}

int hf_node_start(const char *dir, struct hf_node **ret, struct hf_error *err)
{
	struct hf_node *node;
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	node = calloc(1, sizeof(*node));
	if (!node)
		return hf_error_set(err, -ENOMEM, "no memory");
	node->lock = node->listener = -1;
	(void)pthread_mutex_init(&node->service.told_lock, NULL);
	counts_init(&node->service.counts);
	node->service.os = os_posix();
	node->dir = strdup(dir);
	r = node->dir ? node_open(node, err) : hf_error_set(err, -ENOMEM, "no memory");
	if (r < 0) {
		node_free(node);
		return r;
	}
	journal_line(LOG_INFO, "serving %zu volumes at %s", volumes_count(node->service.volumes), node->url);
	*ret = node;
	return 0;
}

const char *hf_node_url(const struct hf_node *node)
{
	return node->url;
}

void hf_node_stop(struct hf_node *node)
{
	const struct timespec pause = { 0, STOP_POLL_MS * 1000000L };

	if (!node)
		return;
	(void)MHD_quiesce_daemon(node->server); /* the listener is ours again; node_free closes it */
	for (int waited = 0; atomic_load(&node->service.active) > 0 && waited < STOP_WAIT_MS;
	     waited += STOP_POLL_MS)
		(void)nanosleep(&pause, NULL);
	MHD_stop_daemon(node->server);
	journal_line(LOG_INFO, "stopped serving at %s", node->url);
	node_free(node);
}

/* --- what it has counted */

/* Those that are served, and whose size can be told. */
static int describe_volumes(const struct hf_node *node, struct hf_node_metrics *ret)
{
	struct volumes *volumes = node->service.volumes;
	size_t max = volumes_count(volumes);
	struct volume *v;
	int failed = volumes_nth_fault(volumes, 0) ? -EUCLEAN : 0;

	ret->volumes = calloc(max + 1, sizeof(*ret->volumes));
	if (!ret->volumes)
		return -ENOMEM;
	for (size_t i = 0; i < max && (v = volumes_nth(volumes, i)); i++) {
		struct hf_node_volume *out = &ret->volumes[ret->n_volumes];
		int r;

		status_of_volume(node->service.os, v, node->silent_after_ns, out);
		r = budget_used(volume_budget(v), volume_shelf(v), &out->budget_used_bytes, &out->bytes,
				NULL);
		if (r == 0)
			ret->n_volumes++;
		else
			failed = r;
	}
	return failed;
}

void hf_node_metrics(struct hf_node *node, struct hf_node_metrics *ret)
{
	const struct service *s = &node->service;
	struct hf_node_metrics m;
	struct gate_stats gate;

	memset(&m, 0, sizeof(m));
	counts_read(&s->counts, &m);
	gate_stats(s->gate, &gate);
	m.connections = gate.entered;
	m.connected = gate.here;
	m.cut_slow = gate.slow;
	m.cut_crowded = gate.crowded;
	m.turned_away = gate.turned_away;
	evidence_stats(s->evidence, &m.evidence_files, &m.evidence_bytes);
	m.read_only = s->read_only;
	if (s->os->free_bytes(s->os->state, node->dir, &m.free_bytes, &m.total_bytes) < 0)
		m.free_bytes = m.total_bytes = 0;
	m.alarms_failed = alarm_read_open(s->os, node->dir, &m.alarms, &m.n_alarms, NULL);
	m.volumes_failed = describe_volumes(node, &m);
	*ret = m;
}

void hf_node_metrics_release(struct hf_node_metrics *m)
{
	free(m->volumes);
	free(m->alarms);
	memset(m, 0, sizeof(*m));
}
