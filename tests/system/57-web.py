#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page as a person meets it, for 57-web.t: 57-web.py LINK [FOLDER for pictures]. Prints "ok NAME" or "not ok NAME"."""
import sys
import urllib.parse

from browser import Browser

link, pictures = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None


def ok(good, name):
    print("ok" if good else "not ok", name, flush=True)


def picture(b, name):
    if pictures:
        b.settled()
        b.picture(f"{pictures}/{name}.png")


def luminance(colour):
    parts = [float(p) / 255 for p in colour[colour.index("(") + 1:-1].split(",")[:3]]
    return sum(w * (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4)
               for w, p in zip((0.2126, 0.7152, 0.0722), parts))


def contrasts(b):
    """Of every text on the page with what is behind it, the smallest."""
    pairs = b.script("""
        const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$/.test(c)) return c; } return getComputedStyle(document.documentElement).backgroundColor; };
        return [...document.querySelectorAll('a, p, td, th, button, h1, h2, span, summary, label, li, time')]
            .filter(e => e.offsetParent && e.textContent.trim())
            .map(e => [getComputedStyle(e).color, back(e)]);""")
    found = []
    for front, back in pairs:
        a, c = sorted((luminance(front), luminance(back)), reverse=True)
        found.append((a + 0.05) / (c + 0.05))
    return min(found)


with Browser() as b:
    host = urllib.parse.urlsplit(link).netloc
    b.open(link)
    ok(b.settled() and "notes" in b.text("#content"), "the link opens the page, which shows the volume's root")
    ok("/open/" not in b.url(), "the link is not in the address")
    ok(b.until("document.querySelectorAll('#timeline .bar').length > 1"), "the timeline has bars")
    ok(b.until("document.querySelectorAll('#timeline .mark.tag').length === 3"), "and the tags")
    picture(b, "light")
    ok(contrasts(b) >= 4.5, f"every text has contrast enough ({contrasts(b):.1f})")

    b.click_text("notes")
    ok(b.until("document.querySelector('#content').innerText.includes('diary.txt')"), "a folder opens")
    ok(b.script("return document.querySelectorAll('#content b').length") == 0, "names are never markup")
    b.settled()
    b.back()
    ok(b.until("document.querySelector('#title').textContent === 'All of the volume'"), "going back works")
    b.settled()

    b.type("#to", "before\n")
    ok(b.until("document.querySelector('#when').innerText.startsWith('As of')"), "a tag is gone to")
    b.settled()
    ok("at=tid-" in b.url(), "the address holds the moment")
    b.click_text("notes")
    ok(b.until("document.querySelector('#content').innerText.includes('large')"), "what is gone now is there then")
    b.settled()
    b.click_text("diary.txt")
    ok(b.until("document.querySelector('#content pre')?.textContent === 'one\\ntwo\\nthree\\n'"), "a file is as it was")
    picture(b, "file")
    b.type("#to", "never-heard-of\n")
    ok(b.until("document.querySelector('#wrong').textContent.length > 10"), "a moment that is none is said")

    b.settled()
    b.click_text("Versions")
    ok(b.until("document.querySelectorAll('#content tbody tr').length >= 2"), "it has versions")
    picture(b, "versions")
    b.settled()
    b.click_text("Compare")
    ok(b.until("document.querySelectorAll('.line.added').length === 2 && document.querySelectorAll('.line.removed').length === 1"),
       "two moments are compared line by line")
    ok("<script>four</script>" in b.text(".diff"), "text is text")
    picture(b, "compare")
    b.settled()
    b.click("#now")
    b.until("document.querySelector('#when').innerText.startsWith('Now')")
    b.settled()
    b.click_text("What happened")
    ok(b.until("document.querySelectorAll('#content tbody tr').length >= 3"), "what happened is told")
    picture(b, "log")

    # restoring
    place = b.url().split("?")[0]
    b.open(place + "?path=lost")
    b.settled()
    ok(not b.script("return document.querySelector('button.restore')"), "of now there is nothing to restore")
    b.open(place + "?path=lost&at=whole")
    b.settled()
    b.script("document.querySelector('button.restore').focus()")
    b.keys("Enter")
    ok(b.until("document.querySelector('dialog[open] .counts')"), "a button opens a dialog, which shows what would change")
    ok("2 names to make" in b.text("dialog .counts") and "1 name to remove" in b.text("dialog .counts"), "counted")
    ok(all(text in b.text("dialog") for text in ("first.txt", "second.txt", "later.txt", "Nothing is lost")), "by name")
    ok(b.script("return document.querySelector('dialog [role=status]').textContent.includes('2 names to make')"), "and read out")
    ok(b.script("return document.activeElement.textContent") == "Cancel", "with the focus on leaving it")
    ok(contrasts(b) >= 4.5, f"with contrast enough ({contrasts(b):.1f})")
    picture(b, "restore")
    b.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    ok(contrasts(b) >= 4.5, f"in the dark as well ({contrasts(b):.1f})")
    picture(b, "restore-dark")
    b.devtools("Emulation.setEmulatedMedia", {"features": []})
    b.keys("Escape")
    ok(b.until("!document.querySelector('dialog')") and
       b.script("return document.activeElement.className") == "restore", "Escape leaves it, and the focus is where it was")
    ok(b.script("return fetch('api/list?path=lost').then(r => r.json()).then(a => a.names.length)") == 1, "and nothing was done")
    b.keys("Enter")
    b.until("document.querySelector('dialog button.main:not([hidden])')")
    b.click("dialog button.main")
    ok(b.until("document.querySelector('dialog .undo')"), "agreed to, it is done, and how to take it back is shown")
    ok("undo" in b.text("dialog .undo") and "--since tid-" in b.text("dialog .undo"), "as a command")
    picture(b, "restored")
    ok(b.script("return document.activeElement.textContent") == "Close" and
       b.text("dialog .buttons").split() == ["Close"], "with the focus on closing it, which is all that is left to do")
    ok(b.script("return fetch('api/list?path=lost').then(r => r.json()).then(a => a.names.map(n => n.name).sort().join())") ==
       "first.txt,second.txt", "the folder is what it was")
    b.keys("Enter")
    ok(b.until("!document.querySelector('dialog') && document.activeElement.className === 'restore'"), "closed, the focus is at the button")
    b.settled()
    b.open(place + "?path=lost/later.txt&view=versions")
    b.settled()
    ok(b.script("return document.querySelector('.acts button.restore').getAttribute('aria-label')").startswith("Restore the version of"),
       "each version has a button too")
    b.click(".acts button.restore")
    ok(b.until("document.querySelector('dialog .counts')?.innerText.includes('1 name to make')"), "with its dialog")
    b.size(390, 844)
    ok(b.script("""const d = document.querySelector('dialog').getBoundingClientRect();
        return d.left >= 0 && d.right <= innerWidth && document.documentElement.scrollWidth <= innerWidth"""), "which fits a phone")
    picture(b, "restore-narrow")
    b.size(1200, 900)
    b.keys("Escape")
    b.until("!document.querySelector('dialog')")
    b.open(place)
    b.settled()

    # the keyboard alone
    b.open(b.url().split("?")[0])
    b.settled()
    b.until("document.querySelectorAll('#timeline .bar').length > 1")
    b.keys("Tab")
    ok(b.script("return document.activeElement.className") == "skip", "the first Tab offers to skip to the files")
    for _ in range(2):
        b.keys("Tab")
    ok(b.script("return document.activeElement.getAttribute('role')") == "slider", "then comes the timeline, a slider")
    before = b.script("return document.activeElement.getAttribute('aria-valuetext')")
    b.keys("Left")
    ok(b.until("document.querySelector('#when').innerText.startsWith('As of')"), "an arrow goes to the change before")
    ok(b.script("return document.activeElement.getAttribute('role')") == "slider", "and keeps the focus")
    ok(b.script("return document.activeElement.getAttribute('aria-valuetext')") != before, "which is read out")
    ok(b.until("document.querySelector('#said').textContent.includes('As of')"), "as is what is shown")
    b.keys("End")
    ok(b.until("document.querySelector('#when').innerText.startsWith('Now')"), "End is now")
    whole = b.script("return document.querySelector('#timeline svg').textContent")
    b.keys("+", "+", "+")
    ok(b.until(f"document.querySelector('#timeline svg').textContent !== {whole!r}"), "+ looks closer")
    b.keys("0")
    ok(b.script("""return [...document.querySelectorAll('input, button, [role=slider]')].every(e =>
        e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))"""), "whatever can be used has a name")
    ok(b.script("return document.querySelectorAll('main, header, nav[aria-label], section[aria-label]').length") >= 6, "and the page landmarks")

    # a phone, and the dark
    b.size(390, 844)
    b.open(b.url().split("?")[0] + "?path=notes")
    b.settled()
    ok(b.script("return document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than a phone")
    picture(b, "narrow")
    b.size(1200, 900)
    light = b.script("return getComputedStyle(document.body).backgroundColor")
    b.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    dark = b.script("return getComputedStyle(document.body).backgroundColor")
    ok(luminance(dark) < 0.1 < luminance(light), "who likes it dark has it dark")
    ok(contrasts(b) >= 4.5, f"with contrast enough ({contrasts(b):.1f})")
    picture(b, "dark")

    b.open(b.url())
    b.settled()
    b.until("document.querySelectorAll('#timeline .mark.tag').length === 3 && !document.querySelector('#marks').hidden")
    jumped = b.script("""return new Promise(done => {
        new PerformanceObserver(l => done(l.getEntries().reduce((n, e) => n + e.value, 0)))
            .observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => done(0), 500); })""")
    ok(jumped < 0.1, f"nothing jumps about while it loads ({jumped:.3f})")

    b.click("#leave")
    ok(b.until("document.body.innerText.includes('The session is over')"), "the session can be ended")
    # That something is not there is what was asked.
    said = [line for line in b.console() if not (host in line and "status of 404" in line)]
    ok(not said, "the console is silent")
    for line in said:
        print(line)
    elsewhere = [u for u in b.requests() if urllib.parse.urlsplit(u).netloc != host]
    ok(not elsewhere, "no other machine was asked for anything")
    for url in elsewhere:
        print(url)
