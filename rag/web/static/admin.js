// The page of admins: people, groups, grants, keys.

import { pageData } from "./page.js";
import { beginGrants } from "./grants.js";
import { beginKeys } from "./keys.js";
import { beginPeople } from "./people.js";

const grants = beginGrants();
beginPeople(grants);
if (pageData.viewer) beginKeys();
