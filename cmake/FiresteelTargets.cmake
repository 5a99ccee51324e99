# Builds the targets of a folder-per-library layout.
#
#   fs_add_layers(FILE)      reads src/layers.txt; for each folder: library fs_NAME (all *.cc),
#                            NAME_test from *_test.cc, NAME_slow_test from *_slow_test.cc (label "full"),
#                            NAME_X_bench from each X_bench.cc when FS_BENCH is on (with its own main or Google Benchmark's).
#   fs_add_cross_test(NAME LABEL SOURCES...)  a test of tests/ that crosses folders: everything linked, GoogleTest's main.
#   fs_options(TARGET)       warnings, sanitizers and defines; flags belong to targets, never to CMAKE_CXX_FLAGS.

set(FS_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wold-style-cast
    -Wnon-virtual-dtor -Woverloaded-virtual -Wdouble-promotion -Wformat=2 -Wnull-dereference -Wundef -Wvla)
set(FS_WARNINGS_GNU -Wduplicated-cond -Wlogical-op -Wuseless-cast)

# Headers that most files include: parsing them is half the time of a small file. None that brings <iomanip>: std::quoted would meet ours.
set(FS_COMMON_HEADERS <algorithm> <array> <atomic> <charconv> <cmath> <cstdint> <cstring> <functional> <map> <memory> <optional> <set> <span>
    <string> <string_view> <utility> <vector> <fmt/format.h>)

# fs_precompile(TARGET OWNER [HEADERS...]): the header belongs to OWNER, which the first call makes.
function(fs_precompile target owner)
  if(NOT FS_PRECOMPILE OR FS_CCACHE)
    return()
  endif()
  if(NOT TARGET ${owner})
    file(WRITE ${CMAKE_BINARY_DIR}/${owner}.cc "")
    add_library(${owner} OBJECT ${CMAKE_BINARY_DIR}/${owner}.cc)
    fs_options(${owner})
    target_link_libraries(${owner} PRIVATE fs_fmt Threads::Threads)
    if(ARGN)
      target_link_libraries(${owner} PRIVATE GTest::gtest)
    endif()
    target_precompile_headers(${owner} PRIVATE ${FS_COMMON_HEADERS} ${ARGN})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

function(fs_options target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${FS_WARNINGS}> -ffp-contract=off -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${FS_WARNINGS_GNU}>)
  else()
    target_compile_options(${target} PRIVATE -Wthread-safety)
  endif()
  if(FS_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(FS_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${FS_SANITIZE} -fno-sanitize-recover=all)
    # GCC's flow analysis reports false positives on instrumented code.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE -Wno-null-dereference -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
    endif()
    target_link_options(${target} PRIVATE -fsanitize=${FS_SANITIZE})
  endif()
  if(FS_COVERAGE)
    target_compile_options(${target} PRIVATE -fprofile-instr-generate -fcoverage-mapping)
    target_link_options(${target} PRIVATE -fprofile-instr-generate)
  endif()
  target_compile_definitions(${target} PRIVATE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src)
endfunction()

# Where tests look for data: FS_TEST_DATA is committed; FS_SHARED_DEFAULT is optional test data beside the checkout, used when the
# environment has no FS_SHARED, and its absence skips a test.
function(fs_test_options target)
  fs_options(${target})
  fs_precompile(${target} fs_test_headers <gtest/gtest.h>)
  target_compile_definitions(${target} PRIVATE FS_SHARED_DEFAULT="${CMAKE_SOURCE_DIR}/../shared" FS_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
endfunction()

# fs_add_cross_test(NAME quick|full SOURCES...): sources are relative to the caller's folder.
function(fs_add_cross_test name label)
  if(label STREQUAL "full" AND NOT FS_SLOW_TESTS)
    return()
  endif()
  add_executable(${name} ${ARGN})
  fs_test_options(${name})
  target_link_libraries(${name} PRIVATE fs_engine fs_checkpoint fs_fmt nlohmann_json::nlohmann_json
                        GTest::gtest GTest::gtest_main)
  set(timeout 300)
  if(label STREQUAL "full")
    set(timeout 3600)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${label} TIMEOUT ${timeout})
endfunction()

function(fs_isa_flags pattern)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FLAGS;FILES")
  foreach(file IN LISTS arg_FILES)
    if(file MATCHES "${pattern}")
      set_property(SOURCE ${file} APPEND PROPERTY COMPILE_OPTIONS ${arg_FLAGS})
    endif()
  endforeach()
endfunction()

function(fs_add_layer name)
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${dir}/*.cc ${dir}/*.h)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(slow_tests ${tests})
  list(FILTER tests EXCLUDE REGEX "_slow_test\\.cc$")
  list(FILTER slow_tests INCLUDE REGEX "_slow_test\\.cc$")
  set(benches ${all})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")

  # Kernels of other ISAs are stubs on this machine's architecture, chosen by file, not by #ifdef.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(FILTER sources EXCLUDE REGEX "/kernels/neon/.*\\.cc$")
    list(FILTER sources EXCLUDE REGEX "/kernels/absent/x86\\.cc$")
    # -O2: at -O3 g++ 12.2 vectorises the bf16 loops of attention wrongly (kernels_test: AttentionIsa/avx2 shows it).
    fs_isa_flags("/kernels/avx2/" FLAGS -mavx2 -mfma -mf16c -O2 FILES ${sources})
    fs_isa_flags("/kernels/avx512/" FLAGS -march=x86-64-v4 -mavx512vnni -mavx512bf16 -mavx512vbmi -mavx512vbmi2
                 -mtune=znver3 -mprefer-vector-width=512 -O3
                 # g++ 12 takes the undefined vectors in its own intrinsics for mistakes (GCC PR 105593).
                 $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> FILES ${sources})
  else()
    list(FILTER sources EXCLUDE REGEX "/kernels/(avx2|avx512)/.*\\.cc$")
    list(FILTER sources EXCLUDE REGEX "/kernels/absent/arm\\.cc$")
    fs_isa_flags("/kernels/neon/" FLAGS -march=armv8.2-a+dotprod -O2 FILES ${sources})
  endif()
  # Instrumented intrinsics take ten times as long to compile: only the full tests pay for it.
  if(FS_SANITIZE AND NOT FS_SANITIZE_ISA)
    fs_isa_flags("/kernels/(avx2|avx512|neon)/" FLAGS -fno-sanitize=all FILES ${sources})
  endif()
  # Arithmetic is unusable at -O0; these two folders are always optimised.
  if(name MATCHES "^(kernels|tensor)$")
    fs_isa_flags("/src/(kernels/generic|tensor)/" FLAGS -O2 FILES ${sources})
  endif()

  if(NOT sources)  # headers only, for now
    file(WRITE ${CMAKE_BINARY_DIR}/empty.cc "")
    set(sources ${CMAKE_BINARY_DIR}/empty.cc)
  endif()
  add_library(fs_${name} STATIC ${sources})
  set_target_properties(fs_${name} PROPERTIES LINKER_LANGUAGE CXX)
  fs_options(fs_${name})
  if(NOT name MATCHES "^(kernels|tensor)$")  # files with -O2 or other instruction sets cannot use it
    fs_precompile(fs_${name} fs_common_headers)
  endif()
  set(headers ${all})
  list(FILTER headers INCLUDE REGEX "\\.h$")
  list(FILTER headers EXCLUDE REGEX "/kernels/(avx2|avx512|neon)/")
  if(headers)
    target_sources(fs_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src FILES ${headers})
    set_target_properties(fs_${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  endif()
  foreach(dep IN LISTS ARGN)
    target_link_libraries(fs_${name} PUBLIC fs_${dep})
  endforeach()
  target_link_libraries(fs_${name} PRIVATE fs_fmt nlohmann_json::nlohmann_json PUBLIC Threads::Threads)

  if(FS_TESTS AND tests)
    add_executable(${name}_test ${tests})
    fs_test_options(${name}_test)
    target_link_libraries(${name}_test PRIVATE fs_${name} fs_fmt GTest::gtest GTest::gtest_main)
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS quick TIMEOUT 300)
  endif()
  if(FS_TESTS AND FS_SLOW_TESTS AND slow_tests)
    add_executable(${name}_slow_test ${slow_tests})
    fs_test_options(${name}_slow_test)
    target_link_libraries(${name}_slow_test PRIVATE fs_${name} fs_fmt GTest::gtest GTest::gtest_main)
    gtest_discover_tests(${name}_slow_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS full TIMEOUT 3600)
  endif()
  if(FS_BENCH)
    foreach(bench IN LISTS benches)
      get_filename_component(stem ${bench} NAME_WE)
      add_executable(${name}_${stem} ${bench})
      fs_test_options(${name}_${stem})
      target_link_libraries(${name}_${stem} PRIVATE fs_${name} fs_fmt benchmark::benchmark benchmark::benchmark_main)
    endforeach()
  endif()
endfunction()

function(fs_add_layers file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS ${file} lines)
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "#.*$" "" line "${line}")
    if(line MATCHES "^([a-z]+)[ ]*:(.*)$")
      set(name ${CMAKE_MATCH_1})
      separate_arguments(deps UNIX_COMMAND "${CMAKE_MATCH_2}")
      fs_add_layer(${name} ${deps})
    endif()
  endforeach()
endfunction()
