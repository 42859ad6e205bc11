/** The actions that the record knows, for choosing one; docs/audit.md says what they are. */
export const actions: readonly string[] = [
  "approval.approve", "approval.delegate", "approval.expire", "approval.re_request", "approval.recall", "approval.reject", "audit.export", "backup.create", "budget.delete", "budget.update", "calendar.override", "demo.add", "demo.remove",
  "directive.create", "directive.delete", "directive.update", "group.dissolve", "group.form", "jobs.bulk", "limits.update", "lock.capacity", "lock.force_release", "login", "login.failed", "queue.pause",
  "queue.reorder", "queue.resume", "schedule.backfill", "schedule.create", "schedule.delete", "schedule.pause", "schedule.resume", "schedule.run_now",
  "schedule.skip_next", "schedule.update", "secret.delete", "secret.rotate_key", "secret.set", "settings.update", "source.refuse", "template.create", "template.delete",
  "template.update", "tenant.create", "tenant.update", "token.create", "token.revoke", "user.create", "user.delete", "user.password", "user.update", "webhook.create",
  "webhook.delete", "webhook.disable", "webhook.redeliver", "webhook.rotate", "webhook.test", "webhook.update", "webhook_secret.rotate", "workers.scale",
  "workflow.activate", "workflow.apply", "workflow.delete", "workflow.rollback", "workflow.tag", "workflow.untag",
];
