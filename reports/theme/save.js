// Under each table a button that saves it as CSV: what the page shows of it, rows that are filtered out included.
{
  // A program that opens the file must not take a text for a formula: those that begin as one get an apostrophe, as
  // OWASP advises. Numbers lose what is for the eye: thousands separators, and the long minus.
  const plain = (text) => {
    const line = text.replace(/\s+/g, " ").trim();
    const number = line.replace("\u2212", "-").replace(/,(?=\d{3}(\D|$))/g, "");
    if (/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?%?$/i.test(number)) return number;
    return /^[=+\-@\u2212\uFF0B\uFF0D\uFF1D\uFF20]/.test(line) ? `'${line}` : line;
  };
  const field = (cell) => `"${plain(cell.textContent).replaceAll('"', '""')}"`;
  const csv = (table) => [...table.rows].map((row) => [...row.cells].map(field).join(",")).join("\r\n") + "\r\n";

  for (const table of document.querySelectorAll(".scroll > table")) {
    const title = table.caption?.textContent.trim() || "table";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = "Save as CSV";
    button.setAttribute("aria-label", `Save as CSV: ${title}`);
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      // The mark tells Excel that the file is UTF-8.
      link.href = URL.createObjectURL(new Blob(["\uFEFF", csv(table)], { type: "text/csv;charset=utf-8" }));
      link.download = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "table"}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
    const box = table.closest(".tall") ?? table.parentElement;
    box.after(button);
  }
}
