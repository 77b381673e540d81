# hn::formats: torch checkpoints and whatever else weights come in, without LibTorch.
hn_add_test(NAME formats_torch_file_test SOURCES unit/formats_torch_file_test.cpp unit/formats_weight_files_test.cpp
  LIBS hn::formats LABELS unit golden)
