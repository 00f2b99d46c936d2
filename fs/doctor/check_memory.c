/* SPDX-License-Identifier: MIT */
/* Can keys and files get from memory to a disk? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

enum { MEMLOCK_BYTES = 1 << 20 }; /* what keys take in locked pages is some dozens of KiB */

static void swap(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_machine *m = &f->machine;

	if (m->swaps_known != FACT_YES) {
		judge_add(ret, DOCTOR_UNKNOWN, "the list of swaps cannot be read");
		return;
	}
	judge_fine(ret, m->n_swaps ? "%zu, all of memory or encrypted" : "%zu", m->n_swaps);
	for (size_t i = 0; i < m->n_swaps; i++) {
		if (m->swaps[i].encrypted == FACT_YES)
			continue;
		judge_add(ret, DOCTOR_WARNING,
			  "%s %s: keys are locked in memory, but parts of files that were read may be "
			  "written there",
			  m->swaps[i].name,
			  m->swaps[i].encrypted == FACT_NO ? "is not encrypted" : "may not be encrypted");
		judge_remedy(ret, "encrypt it (crypttab: swap), swap to zram, or do without. Until then:");
		judge_command(ret, "swapoff %s", JUDGE_WORD(m->swaps[i].name));
	}
}

/* A core_pattern that is a program is run whatever the limit says; that a process may not be dumped holds for
 * both. */
static void core_dumps(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_process *p = &f->machine.process;

	if (!f->live.mounted) {
		judge_fine(ret, "every holdfast process gives them up itself");
		return;
	}
	if (!f->live.answers) {
		judge_add(ret, DOCTOR_UNKNOWN, "the process that has it mounted does not answer");
		return;
	}
	if (p->core_bytes == FACTS_NUMBER_UNKNOWN) {
		judge_add(ret, DOCTOR_UNKNOWN, "the limits of process %d cannot be read", (int)p->pid);
		return;
	}
	judge_fine(ret, "the mount's process has given them up");
	if (p->core_bytes == 0)
		return;
	judge_add(ret, DOCTOR_DANGER, "process %d may write a core, by %s: the keys would be in it",
		  (int)p->pid, f->machine.core_pattern[0] ? f->machine.core_pattern : "the kernel");
	judge_remedy(ret, "who raised its limit? Unmount, and mount it again");
}

static void memory_lock(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_process *p = &f->machine.process;
	char bytes[JUDGE_SPAN_BYTES];

	if (p->locks_any == FACT_YES) {
		judge_fine(ret, "as much as it likes");
		return;
	}
	if (p->memlock_bytes == FACTS_NUMBER_UNKNOWN) {
		judge_add(ret, DOCTOR_UNKNOWN, "its limit cannot be read");
		return;
	}
	judge_fine(ret, "%s",
		   p->memlock_bytes == INT64_MAX ? "as much as it likes" :
						   judge_bytes((uint64_t)p->memlock_bytes, bytes));
	if (p->memlock_bytes >= MEMLOCK_BYTES)
		return;
	judge_add(ret, DOCTOR_WARNING,
		  "only %s may be locked in memory: keys could be swapped out, or not be loaded at all",
		  judge_bytes((uint64_t)p->memlock_bytes, bytes));
	judge_remedy(ret, "LimitMEMLOCK=16M in the unit, or memlock in /etc/security/limits.conf");
}

static const struct doctor_check checks[] = {
	{ "swap", "memory", "is swap encrypted?", swap },
	{ "core-dumps", "memory", "can no core dump have the keys?", core_dumps },
	{ "memory-lock", "memory", "can keys be locked in memory?", memory_lock },
};
const struct doctor_family family_memory = JUDGE_FAMILY(checks);
