// Sphinx puts this into its search (html_search_scorer): chapters come before the reference of the package, and a book
// opened from a disk, whose pages a script may not read, lists what it finds without excerpts.
const REFERENCE = /^(book\/api|book\/assignments|_modules)/;
const BELOW = 1000; // more than any page scores

var Scorer = {
  score: ([page, , , , score]) => (REFERENCE.test(page) ? score - BELOW : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
