# host/src/run: writers, statistics, run directories, reports. The library exports hnhost_* only, so the tests link its objects.
if(TARGET hnhost_internal)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME run_test
    SOURCES unit/files_append_file_test.cpp unit/report_compare_test.cpp unit/files_decode_image_test.cpp unit/scoring_evaluate_test.cpp unit/files_event_file_test.cpp
      unit/files_image_test.cpp unit/report_metrics_test.cpp unit/run_new_project_test.cpp
      unit/report_report_test.cpp unit/run_run_directory_test.cpp unit/run_validation_test.cpp unit/scoring_scores_file_test.cpp unit/scoring_statistics_test.cpp unit/scoring_two_way_test.cpp
      unit/report_summary_test.cpp unit/report_svg_test.cpp unit/files_tensor_file_test.cpp
    LIBS hnhost_internal ZLIB::ZLIB LABELS unit)
endif()
