#!/usr/bin/env bash
# Say on the run's page how to look at the site that it built; ADDRESS is that of the zip.
set -euo pipefail
cat >> "$GITHUB_STEP_SUMMARY" <<END
### The site of this run

1. Download [matrix-calculus-checked.zip]($ADDRESS). GitHub wants you to be signed in, and keeps it for 14 days.
2. Unpack it.
3. Open \`index.html\`. Nothing needs a server or a network.

The artefact \`release\`, below, holds the PDFs, the notebooks and the package.
END
