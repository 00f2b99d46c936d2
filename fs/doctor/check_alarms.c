/* SPDX-License-Identifier: MIT */
/* Who is told, and would he hear it? docs/ALARMS.md. */
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

enum { TEST_DAYS = 184 };

static bool somebody(const struct facts *f)
{
	return f->watch.settings.hook[0] || f->watch.settings.url[0];
}

static void open_alarms(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_watch *w = &f->watch;

	if (w->alarms_code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "they cannot be read: %s", hf_strerror(w->alarms_code));
		return;
	}
	judge_fine(ret, "none");
	if (w->open == 0)
		return;
	judge_add(ret, DOCTOR_DANGER, "%u open, the newest: %s", w->open, w->newest);
	judge_remedy(ret, "look into each; one that is seen to is acknowledged");
	judge_command(ret, "holdfast alarms %s", JUDGE_STORE(f));
}

static void settings(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_alarm_settings *s = &f->watch.settings;
	const struct {
		uint32_t limit;
		const char *what, *on;
	} kinds[] = {
		{ s->lag_s, "a replica that is behind", "lag=10m" },
		{ s->unreachable_s, "a replica that is away", "unreachable=1h" },
		{ s->deletion_percent, "mass deletion", "deletion=20%" },
		{ s->overwrite_percent, "mass overwriting", "overwrite=50%" },
		{ s->encryption_files, "files being encrypted", "encryption=50" },
		{ s->drill_s, "drills that are overdue", "drill=30d" },
	};
	char on[128] = "";
	size_t len;

	if (f->watch.settings_code < 0) {
		judge_add(ret, DOCTOR_WARNING, "%s", f->watch.settings_text);
		judge_remedy(ret, "mend the file, or remove it: then the defaults hold");
		return;
	}
	judge_fine(ret, "every kind is raised");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].limit != 0)
			continue;
		judge_add(ret, DOCTOR_WARNING, "no alarm is raised of %s", kinds[i].what);
		len = strlen(on);
		(void)snprintf(on + len, sizeof(on) - len, " %s", kinds[i].on);
	}
	judge_remedy(ret, "is that meant to be so? What they are when nobody says:");
	judge_command(ret, "holdfast alarms set %s%s", JUDGE_STORE(f), on);
}

static void receivers(const struct facts *f, struct doctor_finding *ret)
{
	if (f->watch.settings_code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "the settings cannot be read");
		return;
	}
	judge_fine(ret, "%s", f->watch.settings.hook[0] ? f->watch.settings.hook : "a webhook");
	if (somebody(f))
		return;
	judge_add(ret, DOCTOR_WARNING, "nobody is told: an alarm waits until somebody asks for the status");
	judge_remedy(ret, "name a program or a webhook that reaches a person");
	judge_command(ret, "holdfast alarms set %s hook=/usr/local/bin/tell-me", JUDGE_STORE(f));
}

static void hook(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_watch *w = &f->watch;
	const char *path = w->settings.hook;

	judge_fine(ret, path[0] ? "%s can be run, and changed by nobody else" : "there is none%s", path);
	if (!path[0])
		return;
	if (w->hook_runs == FACT_NO) {
		judge_add(ret, DOCTOR_DANGER, "%s %s", path,
			  w->hook_there ? "cannot be run" : "is not there");
		judge_remedy(ret, "make it a program that can be run, or name another");
		if (w->hook_there)
			judge_command(ret, "chmod 755 %s", JUDGE_WORD(path));
	}
	if (!w->hook_open.path[0])
		return;
	judge_add(ret, DOCTOR_DANGER, "others may change %s%s: the hook is run with the mount's rights",
		  w->hook_open.path, w->hook_open.anothers ? ", which is theirs" : "");
	judge_remedy(ret, "it is to be a program that only root or the store's owner can write, in folders "
			  "of which that holds too");
	if (!w->hook_open.anothers)
		judge_command(ret, "chmod go-w %s", JUDGE_WORD(w->hook_open.path));
}

static void tested(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_readiness *r = &f->store.r;
	char ago[JUDGE_SPAN_BYTES];

	if (!somebody(f)) {
		judge_fine(ret, "there is nobody to test");
		return;
	}
	if (r->alarm_test_ns)
		judge_fine(ret, "a test was taken %s", judge_ago(f, r->alarm_test_ns, ago));
	if (!r->alarm_test_ns)
		judge_add(ret, DOCTOR_WARNING, "it was never tried whether alarms get to anybody");
	else if (!r->alarm_test_passed)
		judge_add(ret, DOCTOR_DANGER, "the test %s did not get there: %s",
			  judge_ago(f, r->alarm_test_ns, ago), r->alarm_test_text);
	else if (judge_days(f, r->alarm_test_ns) > TEST_DAYS)
		judge_add(ret, DOCTOR_WARNING, "a test was last taken %s",
			  judge_ago(f, r->alarm_test_ns, ago));
	judge_remedy(ret, "try it, and ask whoever is to be told whether he was");
	judge_command(ret, "holdfast alarms test %s", JUDGE_STORE(f));
}

static void delivered(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "every open alarm got to whom it should");
	if (f->watch.alarms_code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "they cannot be read: %s", hf_strerror(f->watch.alarms_code));
		return;
	}
	if (f->watch.undelivered == 0 || !somebody(f))
		return;
	judge_add(ret, DOCTOR_DANGER, "%u open alarms did not get to whom they should", f->watch.undelivered);
	judge_remedy(ret, "the mount's log says what came of it: mend the hook or the webhook");
	judge_command(ret, "holdfast alarms test %s", JUDGE_STORE(f));
}

static const struct doctor_check checks[] = {
	{ "alarms-open", "alarms", "is none open?", open_alarms },
	{ "alarm-settings", "alarms", "is none turned off?", settings },
	{ "alarm-receivers", "alarms", "is somebody told?", receivers },
	{ "alarm-hook", "alarms", "can the hook be run, and by nobody changed?", hook },
	{ "alarm-tested", "alarms", "was it tried whether they get there?", tested },
	{ "alarm-delivered", "alarms", "did all get there?", delivered },
};
const struct doctor_family family_alarms = JUDGE_FAMILY(checks);
