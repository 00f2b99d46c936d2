/* SPDX-License-Identifier: MIT */
#include "store/node/identity.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

enum { PEM_BYTES_MAX = 16 << 10, SERIAL_BYTES = 16, DAY_S = 86400 };

static int say_tls(struct hf_error *err, int code, const char *what)
{
	return hf_error_set(err, code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EIO, "cannot %s: %s", what,
			    gnutls_strerror(code));
}

/* --- making */

static int generate_key(gnutls_x509_privkey_t *ret)
{
	int r = gnutls_x509_privkey_init(ret);

	if (r < 0)
		return r;
	r = gnutls_x509_privkey_generate2(*ret, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0, NULL, 0);
	if (r < 0)
		gnutls_x509_privkey_deinit(*ret);
	return r;
}

/* What is in it but the key is for the eyes of tools: nobody checks names or dates. */
static int fill_cert(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key)
{
	static const char name[] = "holdfast node";
	uint8_t serial[SERIAL_BYTES];
	int r;

	crypto_random(serial, sizeof(serial));
	serial[0] &= 0x7f;
	serial[0] |= 0x40;
	r = gnutls_x509_crt_set_version(cert, 3);
	if (r >= 0)
		r = gnutls_x509_crt_set_serial(cert, serial, sizeof(serial));
	if (r >= 0)
		r = gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
						  sizeof(name) - 1);
	if (r >= 0)
		r = gnutls_x509_crt_set_activation_time(cert, time(NULL) - DAY_S);
	if (r >= 0)
		r = gnutls_x509_crt_set_expiration_time(cert, (time_t)-1); /* never: RFC 5280 §4.1.2.5 */
	if (r >= 0)
		r = gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (r >= 0)
		r = gnutls_x509_crt_set_key(cert, key);
	if (r >= 0)
		r = gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0);
	return r;
}

static int generate_cert(gnutls_x509_privkey_t key, gnutls_x509_crt_t *ret)
{
	int r = gnutls_x509_crt_init(ret);

	if (r < 0)
		return r;
	r = fill_cert(*ret, key);
	if (r < 0)
		gnutls_x509_crt_deinit(*ret);
	return r;
}

static int write_key_file(const struct os *os, const char *dir, const char *name, const void *data,
			  size_t len, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!os_join(&path, dir, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, data, len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

static int write_pems(const struct os *os, const char *dir, gnutls_x509_crt_t cert, gnutls_x509_privkey_t key,
		      struct hf_error *err)
{
	gnutls_datum_t pem = { NULL, 0 };
	int r;

	r = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem);
	if (r < 0)
		return say_tls(err, r, "write the TLS certificate");
	r = write_key_file(os, dir, "tls.pem", pem.data, pem.size, err);
	gnutls_free(pem.data);
	if (r < 0)
		return r;
	r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
	if (r < 0)
		return say_tls(err, r, "write the TLS key");
	r = write_key_file(os, dir, "tls.key", pem.data, pem.size, err);
	crypto_wipe(pem.data, pem.size);
	gnutls_free(pem.data);
	return r;
}

static int make_tls(const struct os *os, const char *dir, struct hf_error *err)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	int r;

	r = generate_key(&key);
	if (r < 0)
		return say_tls(err, r, "make a TLS key");
	r = generate_cert(key, &cert);
	if (r < 0) {
		gnutls_x509_privkey_deinit(key);
		return say_tls(err, r, "make a TLS certificate");
	}
	r = write_pems(os, dir, cert, key, err);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_privkey_deinit(key);
	return r;
}

static int make_receipt_key(const struct os *os, const char *dir, struct hf_error *err)
{
	uint8_t seed[SEED_BYTES];
	int r;

	crypto_random(seed, sizeof(seed));
	r = write_key_file(os, dir, "receipt.key", seed, sizeof(seed), err);
	crypto_wipe(seed, sizeof(seed));
	return r;
}

int identity_make(const struct os *os, const char *dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf keys = BUF_INIT;
	int r;

	if (!os_join(&keys, dir, "keys"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->mkdir(os->state, (const char *)keys.data, 0700);
	if (r < 0)
		return hf_error_set(err, r, "cannot make the folder %s: %s", (const char *)keys.data,
				    strerror(-r));
	r = make_tls(os, (const char *)keys.data, err);
	return r < 0 ? r : make_receipt_key(os, (const char *)keys.data, err);
}

/* --- loading */

static int read_key_file(const struct os *os, const char *dir, const char *name, struct buf *out,
			 struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	buf_add_text(&path, "%s/keys/%s", dir, name);
	(void)buf_cstr(&path);
	if (buf_status(&path) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, PEM_BYTES_MAX, out);
	if (r == 0) {
		(void)buf_cstr(out);
		r = buf_status(out);
	}
	return r < 0 ? hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

static int pin_of_cert(gnutls_x509_crt_t cert, const gnutls_datum_t *pem, uint8_t ret[SHA256_BYTES])
{
	gnutls_datum_t der = { NULL, 0 };
	gnutls_pubkey_t key;
	int r;

	r = gnutls_x509_crt_import(cert, pem, GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return r;
	r = gnutls_pubkey_init(&key);
	if (r < 0)
		return r;
	r = gnutls_pubkey_import_x509(key, cert, 0);
	if (r >= 0)
		r = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);
	gnutls_pubkey_deinit(key);
	if (r < 0)
		return r;
	wire_sha256(der.data, der.size, ret);
	gnutls_free(der.data);
	return 0;
}

static int find_pin(struct identity *id, struct hf_error *err)
{
	gnutls_datum_t pem = { id->cert_pem.data, (unsigned)id->cert_pem.len };
	gnutls_x509_crt_t cert;
	int r = gnutls_x509_crt_init(&cert);

	if (r >= 0) {
		r = pin_of_cert(cert, &pem, id->pin);
		gnutls_x509_crt_deinit(cert);
	}
	return r < 0 ? say_tls(err, r, "read the node's TLS certificate (keys/tls.pem)") : 0;
}

static int load_receipt_key(const struct os *os, const char *dir, struct identity *id, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf seed = BUF_INIT;
	int r = read_key_file(os, dir, "receipt.key", &seed, err);

	if (r < 0)
		return r;
	if (seed.len != SEED_BYTES)
		return hf_error_set(err, -EUCLEAN,
				    "%s/keys/receipt.key is not 32 bytes long: put the node's own back", dir);
	r = signer_new(seed.data, &id->receipt_key);
	crypto_wipe(seed.data, seed.len);
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the receipt key");
	wire_hex(signer_public(id->receipt_key), PUBLIC_KEY_BYTES, id->name);
	return 0;
}

int identity_load(const struct os *os, const char *dir, struct identity *ret, struct hf_error *err)
{
	struct identity id;
	int r;

	memset(&id, 0, sizeof(id));
	r = read_key_file(os, dir, "tls.pem", &id.cert_pem, err);
	if (r == 0)
		r = read_key_file(os, dir, "tls.key", &id.key_pem, err);
	if (r == 0)
		r = find_pin(&id, err);
	if (r == 0)
		r = load_receipt_key(os, dir, &id, err);
	if (r < 0) {
		identity_release(&id);
		return r;
	}
	*ret = id;
	return 0;
}

void identity_release(struct identity *id)
{
	if (id->key_pem.data)
		crypto_wipe(id->key_pem.data, id->key_pem.cap);
	buf_release(&id->cert_pem);
	buf_release(&id->key_pem);
	signer_free(id->receipt_key);
	id->receipt_key = NULL;
}
