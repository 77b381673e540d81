# host/src/run: sets of pictures, their tables, comparisons, and what monitors say.
if(TARGET hnhost_internal)
  hn_add_test(NAME run_sets_test
    SOURCES unit/report_divergence_test.cpp unit/files_natural_order_test.cpp unit/scoring_picture_pairs_test.cpp unit/scoring_prompt_lookup_test.cpp
      unit/run_sample_folder_test.cpp unit/scoring_score_items_test.cpp unit/scoring_score_requests_test.cpp unit/scoring_score_table_test.cpp unit/support_csv_test.cpp unit/support_toml_parser_test.cpp
    LIBS hnhost_internal LABELS unit)
endif()
