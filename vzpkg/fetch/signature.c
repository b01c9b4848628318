#include "vzpkg/fetch/signature.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/fetch/gpg_loop.h"
#include "vzpkg/fetch/keyring.h"

#define CLEAR_BEGIN "-----BEGIN PGP SIGNED MESSAGE-----"
#define HINT_MIRROR "the mirror, or something on the way to it, is broken: try another mirror"

enum { BITS_MIN = 2048 }; /* RSA and DSA */

/* What a signature is worth; where none is accepted, the first of these is what is reported. */
enum worth {
	WORTH_ACCEPTED,
	WORTH_BAD,
	WORTH_REVOKED,
	WORTH_EXPIRED,
	WORTH_WEAK,
	WORTH_UNKNOWN,
	WORTH_MISSING,
};

struct judgement {
	enum worth worth;
	gpgme_signature_t signature;
	const struct known_key *key; /* NULL: not in the keyring */
	const struct signature_waiver *waiver; /* NULL: not trusted */
	bool needs_expired, needs_sha1, needs_weak;
};

/* ---- judging ---- */

static bool is_old_digest(gpgme_hash_algo_t algorithm)
{
	return algorithm == GPGME_MD_SHA1 || algorithm == GPGME_MD_RMD160;
}

static bool is_broken_digest(gpgme_hash_algo_t algorithm)
{
	switch (algorithm) {
	case GPGME_MD_SHA224:
	case GPGME_MD_SHA256:
	case GPGME_MD_SHA384:
	case GPGME_MD_SHA512:
		return false;
	default:
		return !is_old_digest(algorithm);
	}
}

static bool is_short_key(gpgme_pubkey_algo_t algorithm, unsigned bits)
{
	bool elliptic = algorithm == GPGME_PK_ECDSA || algorithm == GPGME_PK_EDDSA ||
			algorithm == GPGME_PK_ECC;
	return !elliptic && bits < BITS_MIN;
}

static void note_needs(struct judgement *judgement)
{
	gpgme_signature_t signature = judgement->signature;
	gpgme_err_code_t code = gpgme_err_code(signature->status);
	judgement->needs_expired = code == GPG_ERR_KEY_EXPIRED || code == GPG_ERR_SIG_EXPIRED;
	judgement->needs_sha1 = is_old_digest(signature->hash_algo);
	judgement->needs_weak = is_broken_digest(signature->hash_algo) ||
				is_short_key(signature->pubkey_algo, judgement->key->bits);
}

/* The signature itself is good: is that enough? */
static enum worth weigh(const struct judgement *judgement)
{
	const struct signature_waiver *waiver = judgement->waiver;
	if (judgement->needs_expired && !waiver->expired_ok)
		return WORTH_EXPIRED;
	if ((judgement->needs_sha1 && !waiver->sha1_ok) ||
	    (judgement->needs_weak && !waiver->weak_ok))
		return WORTH_WEAK;
	return WORTH_ACCEPTED;
}

static struct judgement judge(const struct keyring *keyring, gpgme_signature_t signature)
{
	struct judgement judgement = { .worth = WORTH_UNKNOWN, .signature = signature };
	if (signature->fpr)
		judgement.key = keyring_find(keyring, signature->fpr);
	if (judgement.key)
		judgement.waiver = keyring_waiver(keyring, judgement.key->primary);
	if (!judgement.waiver)
		return judgement;
	note_needs(&judgement);
	switch (gpgme_err_code(signature->status)) {
	case GPG_ERR_NO_ERROR:
	case GPG_ERR_KEY_EXPIRED:
	case GPG_ERR_SIG_EXPIRED:
		/* gpg names a key whole, and not by its id, only when it vouches for the signature. */
		judgement.worth = strcasecmp(signature->fpr, judgement.key->fingerprint)
					  ? WORTH_BAD
					  : weigh(&judgement);
		break;
	case GPG_ERR_CERT_REVOKED:
		judgement.worth = WORTH_REVOKED;
		break;
	case GPG_ERR_DIGEST_ALGO: /* gpg refuses MD5 by itself */
		judgement.worth = WORTH_WEAK;
		break;
	default:
		judgement.worth = WORTH_BAD;
	}
	return judgement;
}

/* ---- saying it ---- */

static char *day(int64_t seconds)
{
	struct tm tm;
	char text[16] = "?";
	time_t when = (time_t)seconds;
	if (gmtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	return xstrdup(text);
}

static void hint_line(const struct judgement *judgement, struct error *err)
{
	const struct signature_waiver *waiver = judgement->waiver;
	error_hint(err, "if you accept that for this release, line %u of %s is to be: %s%s%s%s",
		   waiver->line, waiver->file, waiver->fingerprint,
		   waiver->expired_ok || judgement->needs_expired ? " expired" : "",
		   waiver->sha1_ok || judgement->needs_sha1 ? " sha1" : "",
		   waiver->weak_ok || judgement->needs_weak ? " weak" : "");
}

static void say_bad(const struct judgement *judgement, const char *name, struct error *err)
{
	gpgme_error_t status = judgement->signature->status;
	const char *reason = gpgme_err_code(status) == GPG_ERR_BAD_SIGNATURE
				     ? "it is not the text that was signed"
				     : gpgme_strerror(status);
	error_set(err, ERROR_TRUST, "bad signature of %s by key %s (%s): %s", name,
		  judgement->key->primary, judgement->key->user, reason);
	error_hint(err, HINT_MIRROR);
}

static void say_revoked(const struct judgement *judgement, const char *name, struct error *err)
{
	error_set(err, ERROR_TRUST, "%s is signed by key %s (%s), which its owner has revoked",
		  name, judgement->key->primary, judgement->key->user);
	error_hint(err, "remove the key from gpgkeys/ and line %u of %s", judgement->waiver->line,
		   judgement->waiver->file);
}

static void say_expired(const struct judgement *judgement, const char *name, struct error *err)
{
	gpgme_signature_t signature = judgement->signature;
	bool key = gpgme_err_code(signature->status) == GPG_ERR_KEY_EXPIRED;
	int64_t when = key ? judgement->key->expires : (int64_t)signature->exp_timestamp;
	autofree char *date = day(when), *today = day(time(NULL));
	error_set(err, ERROR_TRUST,
		  "%s: the %s %s (%s) has expired on %s, and it is %s by this host's clock", name,
		  key ? "signing key" : "signature by key", judgement->key->primary,
		  judgement->key->user, date, today);
	hint_line(judgement, err);
}

static void say_weak(const struct judgement *judgement, const char *name, struct error *err)
{
	gpgme_signature_t signature = judgement->signature;
	const char *digest = gpgme_hash_algo_name(signature->hash_algo);
	const char *algorithm = gpgme_pubkey_algo_name(signature->pubkey_algo);
	bool by_digest = is_broken_digest(signature->hash_algo) ||
			 (judgement->needs_sha1 && !judgement->waiver->sha1_ok);
	error_set(err, ERROR_TRUST, "weak signature of %s by key %s (%s): ", name,
		  judgement->key->primary, judgement->key->user);
	autofree char *start = steal_ptr(err->message);
	if (by_digest)
		error_set(err, ERROR_TRUST, "%smade over %s", start, digest ? digest : "?");
	else
		error_set(err, ERROR_TRUST, "%sa %s key of %u bits", start,
			  algorithm ? algorithm : "?", judgement->key->bits);
	hint_line(judgement, err);
}

static void add_unknown(const struct keyring *keyring, gpgme_signature_t signature,
			struct strbuf *text)
{
	for (; signature; signature = signature->next) {
		const char *id = signature->fpr ? signature->fpr : "?";
		const struct known_key *key = signature->fpr ? keyring_find(keyring, id) : NULL;
		strbuf_addf(text, "%s%s", text->length ? ", " : "", key ? key->primary : id);
		if (key)
			strbuf_addf(text, " (%s)", key->user);
	}
}

static void say_unknown(const struct keyring *keyring, const struct judgement *judgement,
			const char *name, struct error *err)
{
	const char *file = keyring->waiver_count ? keyring->waivers[0].file : "trust";
	AUTO(strbuf_release) struct strbuf keys = STRBUF_INIT;
	add_unknown(keyring, judgement->signature, &keys);
	error_set(err, ERROR_TRUST,
		  "%s is not signed by a key that this template trusts, but by %s", name,
		  keys.text);
	error_hint(
		err,
		"if it is the distribution's key: put it into gpgkeys/ and its fingerprint into %s",
		file);
}

static int say_missing(const char *name, struct error *err)
{
	error_set(err, ERROR_TRUST, "%s is not signed", name);
	error_subject(err, "%s", name);
	return error_hint(err, HINT_MIRROR);
}

static int refuse(const struct keyring *keyring, const struct judgement *best, const char *name,
		  struct error *err)
{
	AUTO(error_clear) struct error own = ERROR_INIT;
	switch (best->worth) {
	case WORTH_BAD:
		say_bad(best, name, &own);
		break;
	case WORTH_REVOKED:
		say_revoked(best, name, &own);
		break;
	case WORTH_EXPIRED:
		say_expired(best, name, &own);
		break;
	case WORTH_WEAK:
		say_weak(best, name, &own);
		break;
	case WORTH_UNKNOWN:
		say_unknown(keyring, best, name, &own);
		break;
	case WORTH_ACCEPTED:
	case WORTH_MISSING:
		say_missing(name, &own);
	}
	error_subject(&own, "%s", name);
	if (err)
		error_move(err, &own);
	return -1;
}

/* ---- verifying ---- */

static int conclude(const struct keyring *keyring, const char *name, struct signature_result *ret,
		    struct error *err)
{
	struct judgement best = { .worth = WORTH_MISSING };
	gpgme_verify_result_t result = gpgme_op_verify_result(keyring->context);
	for (gpgme_signature_t i = result ? result->signatures : NULL; i; i = i->next) {
		struct judgement next = judge(keyring, i);
		if (next.worth < best.worth)
			best = next;
	}
	if (best.worth != WORTH_ACCEPTED)
		return refuse(keyring, &best, name, err);
	*ret = (struct signature_result){ .created = (int64_t)best.signature->timestamp };
	strncpy(ret->fingerprint, best.key->primary, sizeof(ret->fingerprint) - 1);
	return 0;
}

struct sink {
	struct strbuf *text;
	size_t limit;
};

static ssize_t take_text(void *handle, const void *data, size_t size)
{
	struct sink *sink = handle;
	if (size > sink->limit - sink->text->length) {
		errno = EFBIG;
		return -1;
	}
	strbuf_add(sink->text, data, size);
	return (ssize_t)size;
}

static int failed(gpgme_error_t code, const char *name, struct error *err)
{
	if (gpgme_err_code(code) == GPG_ERR_NO_DATA)
		return say_missing(name, err);
	error_set(err, ERROR_TRUST, "bad signature of %s: it cannot be read (%s)", name,
		  gpgme_strerror(code));
	error_subject(err, "%s", name);
	return error_hint(err, HINT_MIRROR);
}

static gpgme_error_t wrap(gpgme_data_t *data, const void *bytes, size_t size)
{
	return gpgme_data_new_from_mem(data, bytes, size, 0);
}

static void release_data(gpgme_data_t *data)
{
	if (*data)
		gpgme_data_release(*data);
}

/* `text` (detached) or `sink` (clear text) is NULL. gpg's status counts only if it ended well. */
static int verify(struct keyring *keyring, const char *name, gpgme_data_t signature,
		  gpgme_data_t text, gpgme_data_t sink, struct signature_result *ret,
		  struct error *err)
{
	AUTO(sigpipe_restore) struct sigaction old;
	sigpipe_ignore(&old);
	AUTO(gpg_loop_freep) struct gpg_loop *loop = gpg_loop_new(keyring->context);
	gpgme_error_t code = gpgme_op_verify_start(keyring->context, signature, text, sink);
	if (!code && gpg_loop_wait(loop, &code, err) < 0)
		return error_wrap(err, "verifying %s", name);
	return code ? failed(code, name, err) : conclude(keyring, name, ret, err);
}

int signature_verify_clear(struct keyring *keyring, const char *name, const void *data, size_t size,
			   struct strbuf *ret_text, struct signature_result *ret, struct error *err)
{
	static struct gpgme_data_cbs callbacks = { .write = take_text };
	AUTO(release_data) gpgme_data_t signature = NULL, output = NULL;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct sink sink = { .text = &text, .limit = size };
	/* Other forms of signed data (compressed, not ASCII) are not a clear text, whatever gpg makes
	 * of them. */
	if (size < strlen(CLEAR_BEGIN) || memcmp(data, CLEAR_BEGIN, strlen(CLEAR_BEGIN)) != 0)
		return say_missing(name, err);
	if (wrap(&signature, data, size) || gpgme_data_new_from_cbs(&output, &callbacks, &sink))
		return error_set(err, ERROR_SYSTEM, "verifying %s: no memory", name);
	if (verify(keyring, name, signature, NULL, output, ret, err) < 0)
		return -1;
	strbuf_add(ret_text, text.text, text.length);
	return 0;
}

int signature_verify_detached(struct keyring *keyring, const char *name, const void *data,
			      size_t size, const void *signature, size_t signature_size,
			      struct signature_result *ret, struct error *err)
{
	AUTO(release_data) gpgme_data_t signed_data = NULL, signature_data = NULL;
	if (!signature_size)
		return say_missing(name, err);
	if (wrap(&signed_data, data, size) || wrap(&signature_data, signature, signature_size))
		return error_set(err, ERROR_SYSTEM, "verifying %s: no memory", name);
	return verify(keyring, name, signature_data, signed_data, NULL, ret, err);
}
