# Packages for a cross build, from what is installed for this machine: headers do not care, libraries do.
#
# Headers are linked into a folder of their own, because this machine's /usr/include also holds its C library. GoogleTest is built from
# its sources (package googletest). Libraries come from FS_CROSS_ROOT, which tools/arm64_libraries.sh fills, or from this machine where it
# has them for the target; a program that needs one that is in neither does not link, tests of folders that need none do.

set(FS_CROSS_ROOT "${CMAKE_SOURCE_DIR}/build/arm64-root" CACHE PATH "Folder with usr/lib/aarch64-linux-gnu of the target's libraries")
set(headers ${CMAKE_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${headers})
foreach(name fmt nlohmann CLI utf8proc.h sqlite3.h sodium.h sodium zstd.h zlib.h zconf.h jpeglib.h jmorecfg.h jerror.h png.h pngconf.h pnglibconf.h webp)
  if(NOT EXISTS /usr/include/${name})
    message(FATAL_ERROR "/usr/include/${name} is missing")
  endif()
  file(CREATE_LINK /usr/include/${name} ${headers}/${name} SYMBOLIC)
endforeach()

set(FMT_INCLUDE ${headers})

add_library(nlohmann_json INTERFACE)
add_library(nlohmann_json::nlohmann_json ALIAS nlohmann_json)
target_include_directories(nlohmann_json SYSTEM INTERFACE ${headers})

set(UTF8PROC_INCLUDE ${headers})
set(CLI11_INCLUDE ${headers})
set(SQLITE3_INCLUDE ${headers})
set(SODIUM_INCLUDE ${headers})
set(ZSTD_INCLUDE ${headers})
set(JPEG_INCLUDE ${headers})
set(PNG_INCLUDE ${headers})
set(WEBP_INCLUDE ${headers})
# libjpeg's configuration lies in this machine's own folder; it says the same for every 64-bit target.
file(CREATE_LINK /usr/include/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu/jconfig.h ${headers}/jconfig.h SYMBOLIC)
foreach(package utf8proc sqlite3 sodium zstd jpeg png webp z ssl crypto)
  string(TOUPPER ${package} variable)
  if(package STREQUAL "z")
    set(variable ZLIB)
  endif()
  find_library(${variable}_LIBRARY NAMES lib${package}.a ${package}
    PATHS ${FS_CROSS_ROOT}/usr/lib/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu /usr/lib/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu NO_DEFAULT_PATH)
  if(NOT ${variable}_LIBRARY)  # a program that does not use it links without, any other says what is undefined
    set(${variable}_LIBRARY "")
  endif()
endforeach()

# Boost is headers only. OpenSSL's headers include some of the machine's own folder; those say the same for both targets.
foreach(name boost openssl)
  file(CREATE_LINK /usr/include/${name} ${headers}/${name} SYMBOLIC)
endforeach()
file(MAKE_DIRECTORY ${headers}/configuration)
file(CREATE_LINK /usr/include/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu/openssl ${headers}/configuration/openssl SYMBOLIC)
set(BOOST_INCLUDE ${headers})
foreach(target SSL Crypto)
  string(TOUPPER ${target}_LIBRARY library)
  if(${library})
    add_library(OpenSSL::${target} STATIC IMPORTED)
    set_target_properties(OpenSSL::${target} PROPERTIES IMPORTED_LOCATION ${${library}})
  else()
    add_library(OpenSSL::${target} INTERFACE IMPORTED)
  endif()
  target_include_directories(OpenSSL::${target} SYSTEM INTERFACE ${headers} ${headers}/configuration)
endforeach()
target_link_libraries(OpenSSL::SSL INTERFACE OpenSSL::Crypto)

if(FS_TESTS)
  add_subdirectory(/usr/src/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
endif()
