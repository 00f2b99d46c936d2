/* SPDX-License-Identifier: MIT */
#include "fs/web/assets.h"

#include <string.h>

/* The assembler puts the file there as it is; the Makefile knows that this object is made from them. */
#define ASSET(symbol, file)                             \
	__asm__(".pushsection .rodata\n"                \
		".global web_asset_" #symbol "_begin\n" \
		"web_asset_" #symbol "_begin:\n"        \
		".incbin \"fs/web/page/" file "\"\n"    \
		".global web_asset_" #symbol "_end\n"   \
		"web_asset_" #symbol "_end:\n"          \
		".byte 0\n"                             \
		".popsection\n");                       \
	extern const char web_asset_##symbol##_begin[], web_asset_##symbol##_end[]

ASSET(page, "page.html");
ASSET(style, "style.css");
ASSET(icon, "icon.svg");
ASSET(main, "main.js");
ASSET(ask, "ask.js");
ASSET(dom, "dom.js");
ASSET(diff, "diff.js");
ASSET(timeline, "timeline.js");
ASSET(tree, "tree.js");
ASSET(past, "past.js");
ASSET(restore, "restore.js");

#define SCRIPT "text/javascript; charset=utf-8"
#define ROW(name, type, symbol)                                                  \
	{                                                                        \
		name, type, web_asset_##symbol##_begin, web_asset_##symbol##_end \
	}

static const struct asset assets[] = {
	ROW("", "text/html; charset=utf-8", page),
	ROW("style.css", "text/css; charset=utf-8", style),
	ROW("icon.svg", "image/svg+xml", icon),
	ROW("main.js", SCRIPT, main),
	ROW("ask.js", SCRIPT, ask),
	ROW("dom.js", SCRIPT, dom),
	ROW("diff.js", SCRIPT, diff),
	ROW("timeline.js", SCRIPT, timeline),
	ROW("tree.js", SCRIPT, tree),
	ROW("past.js", SCRIPT, past),
	ROW("restore.js", SCRIPT, restore),
};

const struct asset *asset_find(const char *name)
{
	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
		if (!strcmp(assets[i].name, name))
			return &assets[i];
	return NULL;
}
