export const en = {
  close: "Close", cancel: "Cancel", ok: "OK", undo: "Undo", retry: "Try again", copy: "Copy", copied: "Copied", more: "More", search: "Search",
  loading: "Loading", failed: "This could not be loaded", request: "Request {id}", clear: "Clear", clearFilters: "Clear filters", dismiss: "Dismiss",
  copyAs: "Copy as", copyCli: "Command line", copyCurl: "curl", menu: "Menu", increase: "More", decrease: "Fewer",
  none: "Nothing matches", optional: "optional", required: "Required", unknownField: "Unknown field", oneOf: "Must be one of {list}", notNumber: "Must be a number", notWhole: "Must be a whole number", notJson: "Must be valid JSON: {why}",
  tooSmall: "Must be at least {n}", tooLarge: "Must be at most {n}", tooShort: { one: "Must have at least {n} character", other: "Must have at least {n} characters" }, tooLong: { one: "Must have at most {n} character", other: "Must have at most {n} characters" },
  addItem: "Add item", removeItem: "Remove item {n}", asJson: "as JSON", yes: "Yes", no: "No", choose: "Choose", item: "Item {n}", name: "Name", value: "Value",
  now: "now", sort: "Sort by {what}", selected: { one: "{n} selected", other: "{n} selected" }, needsScope: "Your role does not have the right {scope}",
  fillIn: "Still wanted: {what}",
  commandHint: "Quotes and backslashes work as in a shell; variables, pipes and * do not.", openQuote: "A quote is not closed", arguments: "Arguments",
  localCaller: "the server's administrator",
  offline: "The server does not answer", problem: "Something went wrong", pageFailed: "This page has failed", pageFailedText: "The mistake is in the page, not in your data. Load it again; if it fails again, open it without what its address asks for.", reload: "Load again", openPlain: "Open the page itself", back: "Back", noSuch: "There is no such page",
} as const;
