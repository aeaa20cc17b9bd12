"""The named places between two effects, where a crash must do no harm.

The product passes the empty `Points`; the proofs build the same processes with points that kill or hold.
"""

from enum import StrEnum


class Point(StrEnum):
    """`place.moment`; around each step: before and after its effect, before and after its commit."""

    RESOLVE_BEFORE_EFFECT = "resolve.before_effect"
    RESOLVE_AFTER_EFFECT = "resolve.after_effect"
    RESOLVE_BEFORE_COMMIT = "resolve.before_commit"
    RESOLVE_AFTER_COMMIT = "resolve.after_commit"
    SPLIT_BEFORE_EFFECT = "split.before_effect"
    SPLIT_AFTER_EFFECT = "split.after_effect"
    SPLIT_BEFORE_COMMIT = "split.before_commit"
    SPLIT_AFTER_COMMIT = "split.after_commit"
    VERSION_BEFORE_EFFECT = "version.before_effect"
    VERSION_AFTER_EFFECT = "version.after_effect"
    VERSION_BEFORE_COMMIT = "version.before_commit"
    VERSION_AFTER_COMMIT = "version.after_commit"
    TRAIN_BEFORE_EFFECT = "train.before_effect"
    TRAIN_AFTER_EFFECT = "train.after_effect"
    TRAIN_BEFORE_COMMIT = "train.before_commit"
    TRAIN_AFTER_COMMIT = "train.after_commit"
    EVALUATE_BEFORE_EFFECT = "evaluate.before_effect"
    EVALUATE_AFTER_EFFECT = "evaluate.after_effect"
    EVALUATE_BEFORE_COMMIT = "evaluate.before_commit"
    EVALUATE_AFTER_COMMIT = "evaluate.after_commit"
    DECIDE_BEFORE_EFFECT = "decide.before_effect"
    DECIDE_AFTER_EFFECT = "decide.after_effect"
    DECIDE_BEFORE_COMMIT = "decide.before_commit"
    DECIDE_AFTER_COMMIT = "decide.after_commit"
    PERSIST_BEFORE_EFFECT = "persist.before_effect"
    PERSIST_AFTER_EFFECT = "persist.after_effect"
    PERSIST_BEFORE_COMMIT = "persist.before_commit"
    PERSIST_AFTER_COMMIT = "persist.after_commit"
    INBOX_BEFORE_INSERT = "inbox.before_insert"
    INBOX_AFTER_INSERT = "inbox.after_insert"
    INBOX_AFTER_COMMIT = "inbox.after_commit"
    DEADLETTER_BEFORE_SEND = "deadletter.before_send"
    DEADLETTER_AFTER_SEND = "deadletter.after_send"
    CLAIM_AFTER_COMMIT = "claim.after_commit"
    LEASE_BEFORE_RENEW = "lease.before_renew"
    OPEN_RUN_AFTER_CREATE = "open_run.after_create"
    SPLIT_AFTER_SPILL = "split.after_spill"
    SPLIT_AFTER_TEMP = "split.after_temp"
    SPLIT_AFTER_RENAME = "split.after_rename"
    VERSION_AFTER_ADD = "version.after_add"
    VERSION_AFTER_PUSH = "version.after_push"
    TRAIN_CHILD_STARTED = "train.child_started"
    TRAIN_AFTER_FIT = "train.after_fit"
    TRAIN_AFTER_LOG_MODEL = "train.after_log_model"
    EVALUATE_BETWEEN_MODELS = "evaluate.between_models"
    DECIDE_AFTER_BARS = "decide.after_bars"
    DECIDE_AFTER_COMPARISON = "decide.after_comparison"
    DECIDE_AFTER_REGISTER = "decide.after_register"
    PROJECT_BEFORE_LOOK = "project.before_look"
    PROJECT_BEFORE_ALIAS = "project.before_alias"
    PROJECT_AFTER_ALIAS = "project.after_alias"
    PROJECT_BEFORE_REREAD = "project.before_reread"
    PERSIST_AFTER_TEMP = "persist.after_temp"
    PERSIST_AFTER_REPLACE = "persist.after_replace"
    RELAY_BEFORE_SEND = "relay.before_send"
    RELAY_AFTER_SEND = "relay.after_send"
    RELAY_AFTER_MARK = "relay.after_mark"
    RECONCILE_AFTER_READ = "reconcile.after_read"
    RECONCILE_AFTER_WRITE = "reconcile.after_write"
    CANCEL_BEFORE_COMMIT = "cancel.before_commit"
    CANCEL_AFTER_COMMIT = "cancel.after_commit"
    HOLD_BEFORE_COMMIT = "hold.before_commit"
    HOLD_AFTER_COMMIT = "hold.after_commit"
    RELEASE_BEFORE_COMMIT = "release.before_commit"
    RELEASE_AFTER_COMMIT = "release.after_commit"
    LIFT_BEFORE_COMMIT = "lift.before_commit"
    LIFT_AFTER_COMMIT = "lift.after_commit"
    PROMOTE_BEFORE_REGISTER = "promote.before_register"
    PROMOTE_BEFORE_COMMIT = "promote.before_commit"
    PROMOTE_AFTER_COMMIT = "promote.after_commit"
    ROLLBACK_BEFORE_COMMIT = "rollback.before_commit"
    ROLLBACK_AFTER_COMMIT = "rollback.after_commit"
    RELOAD_BEFORE_POST = "reload.before_post"
    RELOAD_AFTER_POST = "reload.after_post"
    RELOAD_BEFORE_CONFIRM = "reload.before_confirm"


class Points:
    """Nothing happens at any point: what the product uses."""

    async def at(self, point: Point) -> None:
        """Pass a point in the worker or listener."""

    def passed(self, point: Point) -> None:
        """Pass a point in a child process, where code is synchronous."""


NO_POINTS = Points()
