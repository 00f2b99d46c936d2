/* SPDX-License-Identifier: MIT */
/* Who but the store's owner can get at it, and at its keys? */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

static void store_permissions(const struct facts *f, struct doctor_finding *ret)
{
	const unsigned mode = f->store.mode & 07777u;

	judge_fine(ret, "%04o, of uid %u", mode, (unsigned)f->store.uid);
	if (mode & 077u) {
		judge_add(ret, mode & 022u ? DOCTOR_DANGER : DOCTOR_WARNING,
			  "its mode is %04o: others may %s", mode,
			  mode & 022u ? "remove what is in it" : "see what is in it");
		judge_remedy(ret, "close it");
		judge_command(ret, "chmod 700 %s", JUDGE_STORE(f));
	}
}

static void store_parents(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_open *above = &f->store.open_parent;

	judge_fine(ret, "nobody else may change a folder above it");
	if (!above->path[0])
		return;
	judge_add(ret, DOCTOR_DANGER, "%s %s: they can put another store in the place of this one",
		  above->anothers ? "somebody else owns" : "others may write in", above->path);
	judge_remedy(ret, above->anothers ? "keep the store elsewhere" :
					    "close that folder, or keep the store elsewhere");
	if (!above->anothers)
		judge_command(ret, "chmod go-w %s", JUDGE_WORD(above->path));
}

static void key_permissions(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "readable by their owner alone");
	if (!f->store.loose_key[0])
		return;
	judge_add(ret, DOCTOR_DANGER,
		  "%s is not its owner's alone: who reads the volume key reads all files, past ones too",
		  f->store.loose_key);
	judge_remedy(ret,
		     "close them; and if others are on this machine, make a new writer key (holdfast rekey)");
	judge_command(ret, "chmod -R go= %s/keys", JUDGE_STORE(f));
}

static void other_secrets(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "readable by their owner alone");
	if (!f->store.loose_secret[0])
		return;
	judge_add(ret, DOCTOR_DANGER, "%s is not its owner's alone", f->store.loose_secret);
	judge_remedy(ret, "close it");
	judge_command(ret, "chmod go= %s", JUDGE_WORD(f->store.loose_secret));
}

static void key_kept(const struct facts *f, struct doctor_finding *ret)
{
	if (f->store.r.key_code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "the key files cannot be read: %s",
			  hf_strerror(f->store.r.key_code));
		return;
	}
	switch (f->store.r.key.how) {
	case HF_KEY_PASSPHRASE:
		judge_fine(ret, "wrapped by a passphrase");
		return;
	case HF_KEY_ELSEWHERE:
		judge_fine(ret, "not in the store");
		return;
	case HF_KEY_PLAIN:
		break;
	}
	if (f->disk.encrypted == FACT_YES) {
		judge_fine(ret, "plain, on an encrypted disk");
		return;
	}
	judge_add(ret, DOCTOR_WARNING,
		  "the volume key lies plain beside the log, on a disk that %s: who gets the disk reads all",
		  f->disk.encrypted == FACT_NO ? "is not encrypted" : "may not be encrypted");
	judge_remedy(ret, "wrap it by a passphrase, keep it elsewhere (holdfast key move), or encrypt the "
			  "disk; with the store "
			  "unmounted:");
	judge_command(ret, "holdfast key passphrase %s", JUDGE_STORE(f));
}

static const struct doctor_check checks[] = {
	{ "store-permissions", "keys", "is the store closed to others?", store_permissions },
	{ "store-parents", "keys", "can nobody put another in its place?", store_parents },
	{ "key-permissions", "keys", "are the keys their owner's alone?", key_permissions },
	{ "secret-permissions", "keys", "are credentials and the socket?", other_secrets },
	{ "key-kept", "keys", "does who takes the disk not have the key?", key_kept },
};
const struct doctor_family family_keys = JUDGE_FAMILY(checks);
