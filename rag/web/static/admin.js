// The page of admins: people, groups, grants, keys, the audit log.

import { pageData } from "./page.js";
import { beginAudit } from "./audit.js";
import { beginGrants } from "./grants.js";
import { beginKeys } from "./keys.js";
import { beginPeople } from "./people.js";

const grants = beginGrants();
beginPeople(grants);
beginAudit();
if (pageData.viewer) beginKeys();
