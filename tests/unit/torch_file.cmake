# plugins/common/pickle and weights: torch checkpoints and whatever else weights come in, without LibTorch.
hn_add_test(NAME common_torch_file_test SOURCES unit/common_torch_file_test.cpp unit/common_weight_files_test.cpp
  LIBS hn_weights LABELS unit golden)
