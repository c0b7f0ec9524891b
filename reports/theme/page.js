// Tabs: click, arrow keys, Home and End. Without this script every panel is shown under its title.
for (const list of document.querySelectorAll('[role="tablist"]')) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const choose = (chosen) => {
    for (const tab of tabs) {
      const is = tab === chosen;
      tab.classList.toggle("active", is);
      tab.setAttribute("aria-selected", is);
      tab.tabIndex = is ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).classList.toggle("active", is);
    }
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) choose(tab);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    choose(tab);
    tab.focus();
  });
}

// The table of contents marks the section being read.
const links = new Map([...document.querySelectorAll("#TOC a")].map((link) => [link.hash.slice(1), link]));
const sections = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
const mark = () => {
  const read = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3).at(-1);
  for (const [id, link] of links) link.classList.toggle("active", id === read?.id);
};
addEventListener("scroll", mark, { passive: true });
mark();
