"""report_page.py ONE TWO LARGE [FOLDER]: what a person does with report pages of one run, of two and of a long one, in
a headless Chromium; 77 where there is none. Screenshots go to FOLDER."""
import pathlib
import sys

import chromium

program = chromium.find()
if program is None:
    print("no Chromium is installed (apt-get install chromium), so nobody has looked at the page")
    sys.exit(77)
one, two, large = (pathlib.Path(name).absolute().as_uri() for name in sys.argv[1:4])
folder = pathlib.Path(sys.argv[4]) if sys.argv[4:] and sys.argv[4] else None
failures = []


def check(what, holds):
    if not holds:
        failures.append(what)


def keep(page, name, full=False):
    if folder:
        page.screenshot(folder / f"{name}.png", full)


def text(page, selector):
    return page.run(f"document.querySelector({selector!r}).innerText")


def middle_of(page, selector):
    box = page.run(f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
                   f"return [b.x, b.y, b.width, b.height]; }})(document.querySelector({selector!r}))")
    return box[0] + box[2] / 2, box[1] + box[3] / 2, box


def ink(page):
    """The share of the first chart's pixels that are not empty."""
    return page.run("""(() => { const c = document.querySelector('.chart canvas');
      const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
      for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (d.length / 4); })()""")


def look_at_one(page):
    page.open(one)
    page.settle()
    check("the curves are drawn", ink(page) > 0.02)
    check("six charts", page.run("charts.length") == 6)
    check("the spike is on the loss axis", page.run("charts[0].yExtent(...whole())[1]") > 50)
    check("a sample is text", page.run("document.querySelector('#samples i') === null") and
          "<i>be</i>" in text(page, "#samples"))
    check("memory is compared", "-5.0 %" in text(page, "#memory"))
    check("a warning is listed", "</script><b>memory" in text(page, "#events"))
    check("the configuration is there", "learning_rate" in text(page, "#config"))
    check("the map of layers is there", page.run("!document.getElementById('layers-section').hidden"))
    keep(page, "one", full=True)
    x, y, box = middle_of(page, ".wide .chart")
    page.mouse("mouseMoved", x, y)
    page.settle()
    check("hovering shows values", "val loss" in text(page, "#tip") and "iteration" in text(page, "#tip"))
    keep(page, "hover")
    page.drag(x, y, x + box[2] / 4, y)
    low, high = page.run("view.range")
    check("dragging zooms", 900 < low < 1100 and 1400 < high < 1600)
    keep(page, "zoom")
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=2)
    page.settle()
    check("a double click shows the whole run", page.run("view.range === null"))
    before = ink(page)
    page.run("document.querySelector('input[value=log]').click()")
    page.settle()
    check("logarithmic differs", ink(page) != before)
    for unit, word in (("tokens", "tokens"), ("hours", "min"), ("iter", "iteration")):
        page.run(f"document.querySelector('input[value={unit}]').click()")
        page.mouse("mouseMoved", x - 5, y)
        page.mouse("mouseMoved", x, y)
        page.settle()
        check(f"by {unit}", word in text(page, "#tip"))
    page.mouse("mouseMoved", 2, 2)


def use_keys(page):
    page.open(one)
    for _ in range(40):
        page.key("Tab")
        if page.run("document.activeElement.className") == "chart":
            break
    check("Tab reaches a curve", page.run("document.activeElement.className") == "chart")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.key(key)
    check("arrows read values aloud", "val loss" in page.run("document.getElementById('reading').textContent"))
    page.key("+")
    check("plus zooms", page.run("view.range !== null"))
    page.key("0")
    check("0 shows the whole run", page.run("view.range === null"))
    page.key("End")
    check("End is the end", page.run("view.cursor") >= 1999)


def look_at_two(page):
    page.open(two)
    page.settle()
    check("differences are found", "learning_rate" in text(page, "#config") and "0.2" in text(page, "#config"))
    check("only differences", "block_size" not in text(page, "#config"))
    page.run("document.getElementById('differences').click()")
    check("the whole configuration", "block_size" in text(page, "#config"))
    page.run("document.getElementById('differences').click()")
    keep(page, "two", full=True)
    x, y, box = middle_of(page, ".wide .chart")
    page.mouse("mouseMoved", x - box[2] / 4, y)
    page.settle()
    check("both runs at a quarter", "a \u00b7 val" in text(page, "#tip") and "b \u00b7 val" in text(page, "#tip"))
    page.mouse("mouseMoved", x + box[2] / 4, y)
    page.settle()
    check("where one has ended, only the other", "a \u00b7 val" in text(page, "#tip") and "b \u00b7" not in text(page, "#tip"))
    page.run("document.querySelectorAll('#runs input')[1].click()")
    page.settle()
    check("a run can be hidden", page.run("charts[0].shown().every(curve => curve.run.name === 'a')"))


def look_at_phone(page):
    for address in (one, two):
        page.open(address)
        page.settle()
        wide = page.run("document.documentElement.scrollWidth - innerWidth")
        check(f"fits a phone ({wide} pixels too wide)", wide <= 0)
    keep(page, "phone", full=True)


def open_large(page):
    times = []
    for _ in range(3):
        page.open(large)
        page.run("new Promise(done => { const ask = () => document.documentElement.dataset.drawn ? done() : setTimeout(ask, 5); ask(); })")
        times.append(page.run("Number(document.documentElement.dataset.drawn)"))
    print("600,000 iterations are drawn after", times, "ms")
    check("a long run opens in two seconds", min(times) < 2000)
    check("its spike is there", page.run("Math.max(...data.runs[0].series['train/batch_loss'].y)") > 50)


for dark, size, looks in ((False, (1280, 900), (look_at_one, use_keys, look_at_two, open_large)),
                          (True, (1280, 900), (look_at_one,)), (True, (390, 844), (look_at_phone,))):
    if folder:
        (folder := folder.parent / (folder.name.split("-")[0] + ("-dark" if dark else ""))).mkdir(exist_ok=True)
    with chromium.Browser(program, *size, dark) as page:
        for look in looks:
            look(page)
        failures += page.complaints()
print("\n".join(failures))
sys.exit(1 if failures else 0)
