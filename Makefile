# The words that people and CI use: demo, test, lint, bench, retrain.
PYTHON ?= python3.11
VENV ?= .venv
OUT ?= output
RUNS ?= runs
PHOTOS ?= data/photos
DEVICE ?= auto
FLAGS ?=
BIN := $(VENV)/bin
TRAIN = $(BIN)/marigold train $(1) --run $(RUNS)/$(1) --device $(DEVICE) $(FLAGS)
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test lint bench retrain clean

# A depth map of a photograph: one that ships with scikit-image, or yours with PHOTO=path.
demo: $(VENV)/demo.stamp
	@photo="$(PHOTO)"; \
	if [ -z "$$photo" ]; then \
	  photo=$$($(BIN)/python -c "import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / 'data' / 'coffee.png')"); \
	fi; \
	$(BIN)/marigold predict depth "$$photo" --output "$(OUT)"

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/dev.stamp
	$(BIN)/python bench/predict.py
	$(BIN)/python bench/synth.py --result bench/results/synth.md
	$(BIN)/python bench/autoencoder.py
	$(BIN)/python bench/scores.py

# The small family from nothing: autoencoder, generator, every modality. PHOTOS is a folder of photographs (may be absent).
# FLAGS are for all of them, such as "--compiled --workers 6 --renderer cuda:1 --minutes 24".
retrain: $(VENV)/dev.stamp
	$(call TRAIN,tiny-autoencoder) --data.0.root $(PHOTOS)
	$(call TRAIN,tiny-decoder) --data.0.root $(PHOTOS) --start $(RUNS)/tiny-autoencoder/checkpoint
	$(call TRAIN,tiny-generator) --data.0.root $(PHOTOS) --start $(RUNS)/tiny-decoder/checkpoint
	$(call TRAIN,tiny-depth) --start $(RUNS)/tiny-generator/checkpoint
	$(call TRAIN,tiny-normals) --start $(RUNS)/tiny-generator/checkpoint
	$(call TRAIN,tiny-appearance) --start $(RUNS)/tiny-generator/checkpoint
	$(call TRAIN,tiny-lighting) --start $(RUNS)/tiny-generator/checkpoint

clean:
	rm -rf $(VENV) build dist src/*.egg-info

# torch is installed first, so that no other package chooses a build of it.
$(VENV)/base.stamp: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/demo.stamp: $(VENV)/base.stamp pyproject.toml
	$(PIP) -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp pyproject.toml
	$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/demo.stamp
