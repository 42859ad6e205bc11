export const en = {
  QUEUED: "Queued", RUNNING: "Running", COMPLETED: "Completed", FAILED: "Failed", SKIPPED: "Skipped", CANCELLED: "Cancelled",
  PENDING: "Pending", READY: "Ready", WAITING: "Waiting", PAUSED: "Paused", ACTIVE: "Active", COMPENSATED: "Undone", PARTIAL: "Partly done",
  APPROVED: "Approved", REJECTED: "Rejected", EXPIRED: "Expired", SUPERSEDED: "Replaced",
  HELD: "Held", DELAYED: "Delayed", PARKED: "Parked", STOPPING: "Stopping", LOST: "Lost",
  ENABLED: "Enabled", DISABLED: "Disabled", FINISHED: "Finished", DELIVERED: "Delivered", RETRYING: "Retrying", UNKNOWN: "Unknown",
} as const;
