"use strict";
(() => {
  const search = document.querySelector("[role=search]");
  const input = search.querySelector("input");
  const status = search.querySelector("[role=status]");
  const text = (element) => element.textContent.toLowerCase();
  const rooms = [...document.querySelectorAll("section.room")].map((room) => ({
    room,
    head: text(room.querySelector("header")),
    rows: [...room.querySelectorAll("tbody tr, li")].map((row) => ({ row, words: text(row) })),
  }));

  // A word is met by the head of a room, or else by each row that stays.
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { room, head, rows } of rooms) {
      const left = words.filter((word) => !head.includes(word));
      let fits = left.length === 0;
      for (const { row, words } of rows) {
        row.hidden = !left.every((word) => words.includes(word));
        fits ||= !row.hidden;
      }
      room.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    status.textContent = words.length > 0 ? `${shown} of ${rooms.length} shown` : "";
  };

  // The address links to what was found.
  const read = () => {
    input.value = new URLSearchParams(location.hash.slice(1)).get("q") ?? "";
    show();
  };
  input.addEventListener("input", () => {
    const query = input.value.trim();
    history.replaceState(null, "", query ? `#q=${encodeURIComponent(query)}` : location.pathname + location.search);
    show();
  });
  addEventListener("hashchange", read);
  search.hidden = rooms.length === 0;
  read();
})();
