# Checks an author's manifest and adds to it what only the build knows. Called by hn_add_plugin with MANIFEST, LIBRARY, OUT, KIND,
# PLATFORM, LIBTORCH and HELPER. Where anything is wrong the manifest of an earlier build goes, so that it cannot mislead.
if(HELPER)
  execute_process(COMMAND ${HELPER} manifest manifest=${MANIFEST} library=${LIBRARY} out=${OUT} kind=${KIND} platform=${PLATFORM}
                          libtorch=${LIBTORCH}
                  RESULT_VARIABLE result ERROR_VARIABLE problem)
  if(NOT result EQUAL 0)
    file(REMOVE ${OUT})
    string(STRIP "${problem}" problem)
    message(NOTICE "${problem}")  # as it is: FATAL_ERROR breaks lines
    message(FATAL_ERROR "${OUT} was not made")
  endif()
  return()
endif()

# An install of the SDK alone: what CMake can see of the manifest.
function(refuse text)
  file(REMOVE ${OUT})
  message(NOTICE "${MANIFEST}: ${text}")
  message(FATAL_ERROR "${OUT} was not made")
endfunction()
file(READ ${MANIFEST} text)
string(PREPEND text "\n")
foreach(key schema id version kind name summary licence functions)
  if(NOT text MATCHES "\n${key}[ \t]*=")
    refuse("the key '${key}' is missing")
  endif()
endforeach()
if(NOT text MATCHES "\nkind[ \t]*=[ \t]*[\"']${KIND}[\"']")
  refuse("expected kind = \"${KIND}\" as in hn_add_plugin")
endif()
if(KIND STREQUAL "reward" AND NOT text MATCHES "\n\\[reward\\]")
  refuse("the table [reward] is missing")
endif()
foreach(table abi library requires)
  if(text MATCHES "\n\\[${table}[].]")
    refuse("the build writes [${table}] (hn_add_plugin): take it out of the source")
  endif()
endforeach()
foreach(part MAJOR MINOR)
  file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../include/hn/abi.h line REGEX "#define HN_ABI_${part} " LIMIT_COUNT 1)
  if(NOT line)
    file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../../../include/hn/abi.h line REGEX "#define HN_ABI_${part} " LIMIT_COUNT 1)
  endif()
  if(NOT line MATCHES "HN_ABI_${part} ([0-9]+)")
    refuse("hn/abi.h, which has the ABI's version, was not found beside ${CMAKE_CURRENT_LIST_DIR}")
  endif()
  set(${part} ${CMAKE_MATCH_1})
endforeach()
file(SHA256 ${LIBRARY} sha256)
get_filename_component(file ${LIBRARY} NAME)
file(READ ${MANIFEST} text)
string(APPEND text "
[abi]
major = ${MAJOR}
min_minor = ${MINOR}

[library.${PLATFORM}]
file = \"${file}\"
sha256 = \"${sha256}\"

[requires]
libtorch = \"${LIBTORCH}\"
")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT}.tmp "${text}")
  file(RENAME ${OUT}.tmp ${OUT})
endif()
