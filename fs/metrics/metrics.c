/* SPDX-License-Identifier: MIT */
#include "fs/metrics/metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/web/host.h"
#include "fs/web/scrape.h"

struct metrics {
	struct hf_store *store; /* or */
	struct hf_node *node;
	const char *place; /* what it is mounted on, or the node's folder */
	struct scrape *scrape;
};

int metrics_check(const char *listen_at, struct hf_error *err)
{
	struct sockaddr_storage address;
	socklen_t len;

	return host_parse_listen(listen_at, &address, &len, err);
}

static char *text(void *arg, size_t *ret_len)
{
	struct metrics *m = arg;

	return m->store ? metrics_mount_text(m->store, m->place, ret_len) :
			  metrics_node_text(m->node, m->place, ret_len);
}

static int start(const struct metrics *what, const char *listen_at, struct metrics **ret,
		 struct hf_error *err)
{
	struct metrics *m = malloc(sizeof(*m));
	const struct scrape_options options = {
		.listen_at = listen_at,
		.path = "/metrics",
		.type = "text/plain; version=0.0.4; charset=utf-8",
		.text = text,
		.arg = m,
	};
	int r;

	if (!m)
		return hf_error_set(err, -ENOMEM, "no memory");
	*m = *what;
	r = scrape_start(&options, &m->scrape, err);
	if (r < 0) {
		free(m);
		return hf_error_prefix(err, r, "metrics");
	}
	*ret = m;
	return 0;
}

int metrics_of_mount(const char *listen_at, struct hf_store *store, const char *mounted_on,
		     struct metrics **ret, struct hf_error *err)
{
	return start(&(struct metrics){ .store = store, .place = mounted_on }, listen_at, ret, err);
}

int metrics_of_node(const char *listen_at, struct hf_node *node, const char *dir, struct metrics **ret,
		    struct hf_error *err)
{
	return start(&(struct metrics){ .node = node, .place = dir }, listen_at, ret, err);
}

const char *metrics_address(const struct metrics *m)
{
	return m ? scrape_address(m->scrape) : "";
}

bool metrics_are_reachable(const struct metrics *m)
{
	return m && scrape_is_reachable(m->scrape);
}

void metrics_stop(struct metrics *m)
{
	if (!m)
		return;
	scrape_stop(m->scrape);
	free(m);
}
