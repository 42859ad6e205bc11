export const en = {
  close: "Close", cancel: "Cancel", ok: "OK", undo: "Undo", retry: "Try again", copy: "Copy", copied: "Copied", more: "More", search: "Search",
  loading: "Loading", failed: "This could not be loaded", request: "Request {id}", clear: "Clear", clearFilters: "Clear filters", dismiss: "Dismiss",
  copyAs: "Copy as", copyCli: "Command line", copyCurl: "curl", menu: "Menu", increase: "More", decrease: "Fewer",
  none: "Nothing matches", optional: "optional", required: "Required", notNumber: "Must be a number", notWhole: "Must be a whole number", notJson: "Must be valid JSON: {why}",
  tooSmall: "Must be at least {n}", tooLarge: "Must be at most {n}", tooShort: { one: "Must have at least {n} character", other: "Must have at least {n} characters" }, tooLong: { one: "Must have at most {n} character", other: "Must have at most {n} characters" },
  addItem: "Add item", removeItem: "Remove item {n}", asJson: "as JSON", yes: "Yes", no: "No", choose: "Choose", item: "Item {n}", name: "Name", value: "Value",
  now: "now", sort: "Sort by {what}", selected: { one: "{n} selected", other: "{n} selected" }, needsScope: "Your role does not have the right {scope}",
  fillIn: "Still wanted: {what}",
  localCaller: "the server's command line",
  title_conflict: "Conflict", title_forbidden: "Forbidden", title_unauthorized: "Authentication required", title_invalid_input: "Invalid input", title_invalid_parameter: "Invalid parameter", title_not_found: "Not found", title_malformed_body: "Malformed body", title_body_too_large: "Body too large", title_internal_error: "Internal error", title_already_finished: "Already finished", title_already_started: "Already started", title_already_decided: "Already decided", title_approval_closed: "Approval closed", title_approval_content_changed: "Approval content changed", title_command_not_allowed: "Command not allowed", title_cron_invalid: "Invalid cron expression", title_zone_unknown: "Unknown time zone", title_name_taken: "Name taken", title_not_unique: "Not unique", title_not_finished: "Not finished", title_wrong_id_type: "Wrong id type", title_lock_held: "Lock held", title_last_admin: "Last administrator", title_workflow_invalid: "Workflow not valid",
  offline: "The server does not answer", problem: "Something went wrong", pageFailed: "This page has failed", pageFailedText: "The mistake is in the page, not in your data. Load it again; if it fails again, open it without what its address asks for.", reload: "Load again", openPlain: "Open the page itself", back: "Back", noSuch: "There is no such page",
} as const;
