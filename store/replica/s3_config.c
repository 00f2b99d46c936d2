/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/s3_credentials.h"

static int read_fields(const json_t *o, struct s3_place *p)
{
	char style[8];
	int bad = 0;

	bad |= json_get_text(o, "endpoint", p->endpoint, sizeof(p->endpoint));
	bad |= json_get_text(o, "bucket", p->bucket, sizeof(p->bucket));
	bad |= json_get_text(o, "prefix", p->prefix, sizeof(p->prefix));
	bad |= json_get_text(o, "region", p->region, sizeof(p->region));
	bad |= json_get_text(o, "ca", p->ca, sizeof(p->ca));
	bad |= json_get_text(o, "style", style, sizeof(style));
	bad |= json_get_u32(o, "interval_s", &p->interval_s);
	bad |= json_get_u32(o, "retention_days", &p->retention_days);
	bad |= json_get_bool(o, "versions", &p->versions);
	bad |= json_get_bool(o, "first_wins", &p->first_wins);
	bad |= json_get_bool(o, "owner_acl", &p->owner_acl);
	if (json_has(o, "unlocked"))
		bad |= json_get_bool(o, "unlocked", &p->unlocked);
	p->host_style = strcmp(style, "host") == 0;
	return bad || (!p->host_style && strcmp(style, "path") != 0) || !s3_place_valid(p) ? -EUCLEAN : 0;
}

int s3_config_read(const json_t *o, struct place *p)
{
	p->kind = PLACE_BUCKET;
	p->s3 = calloc(1, sizeof(*p->s3));
	return p->s3 ? read_fields(o, p->s3) : -ENOMEM;
}

json_t *s3_config_json(const struct s3_place *p)
{
	return json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:b,s:b,s:b,s:b}", "version", 1, "kind",
			 "bucket", "endpoint", p->endpoint, "bucket", p->bucket, "prefix", p->prefix,
			 "region", p->region, "ca", p->ca, "style", p->host_style ? "host" : "path",
			 "interval_s", (int)p->interval_s, "retention_days", (int)p->retention_days,
			 "versions", p->versions, "first_wins", p->first_wins, "owner_acl", p->owner_acl,
			 "unlocked", p->unlocked);
}

static int credentials_path(const char *store, const char *name, struct s3_place *p, struct hf_error *err)
{
	int n = snprintf(p->credentials_path, sizeof(p->credentials_path), "%s/replicas/%s.credentials",
			 store, name);

	if (n > 0 && (size_t)n < sizeof(p->credentials_path))
		return 0;
	p->credentials_path[0] = 0;
	return hf_error_set(err, -ENAMETOOLONG, "the path of %s is too long for a bucket's credentials",
			    store);
}

int s3_config_credentials(const struct os *os, const char *store, const char *name, struct s3_place *p,
			  struct hf_error *err)
{
	int r = credentials_path(store, name, p, err);

	return r < 0 ? r : s3_credentials_read(os, p->credentials_path, &p->credentials, err);
}

int s3_config_keep_credentials(const struct os *os, const char *store, const char *name,
			       const struct s3_place *p, struct hf_error *err)
{
	struct s3_place at = { .bucket = "" };
	int r = credentials_path(store, name, &at, err);

	return r < 0 ? r : s3_credentials_write(os, at.credentials_path, &p->credentials, err);
}
