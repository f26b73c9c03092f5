//! What `--help` tells at its end.

pub(super) const EXIT_STATUS: &str = "\
Exit status:
   0  done, or nothing to do
   1  nothing was changed because of an error
   2  changes are pending (only with --dry-run --detailed-exitcode)
   3  some changes failed or are left, some rooms cannot be managed, or check found a fault
   4  the guard refused to remove or demote people
   5  what is left to do waits for somebody else (only unmanage)
  64  the command line cannot be understood
  75  another run has the lock file, so nothing was done";

pub(super) const UNMANAGE: &str = "\
The new admin is invited, if need be, and given the power level 100. When they are in the room, inviter takes its mark
away, gives its power up and leaves. Until then the status is 5, and the same command goes on.

  inviter unmanage '#ops:example.com' @alice:example.com --wait 10m";

pub(super) const EXAMPLES: &str = "\
Examples:
  inviter sync --dry-run                        show what would be done, write nothing
  inviter sync                                  do it, but remove nobody
  inviter sync --kick                           do it, and remove who is no longer wanted
  inviter sync --room '#ops:example.com'        this room alone
  inviter sync --shard 0/4                      a quarter of the rooms; 1/4, 2/4 and 3/4 take the others
  inviter sync --expect DIGEST                  what a dry run has shown, or nothing
  inviter --format json sync --dry-run          the plan for programs
  inviter --format html sync --dry-run >plan.html
                                                the plan for a browser
  inviter sync --lock-file /run/inviter.lock --deadline 25m
                                                for cron: one run at a time, and each ends in time

SIGTERM and SIGINT (Ctrl-C) stop a run between two requests: it tells what is left, which the next run does. A second one
ends it at once.";

pub(super) const CHECK: &str = "\
Each line is ok, warning or failed, and says what to do. The status is 3 when something failed.";

pub(super) const INIT: &str = "\
On a terminal it asks for what is not given here. It writes no secret, and never over a file.

Examples:
  inviter init
  inviter -c /etc/inviter/inviter.toml init --idp openldap --homeserver https://matrix.example.com \
          --server-name example.com --url ldaps://ldap.example.com --base dc=example,dc=com";

pub(super) const SCHEMA: &str = "\
Example:
  inviter schema > inviter.schema.json
With the line `#:schema ./inviter.schema.json` at the top of inviter.toml, editors complete and check its keys.";

pub(super) const IMPORT: &str = "\
It knows the maubot plugin for Azure AD and LDAP,
and the maubot plugin for LDAP room mappings.
It reads that file alone, and copies no secret.

Example:
  inviter import bot.yaml > inviter.toml";
