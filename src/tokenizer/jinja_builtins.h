// The names that templates may use without defining them. Numbers are positions in the tables of the .cc files; -1 is "no such name".
#pragma once

#include <string_view>

namespace firesteel::jinja {

int find_filter(std::string_view name);
int find_test(std::string_view name);
int find_method(std::string_view name);    // of strings, lists or dicts
int find_function(std::string_view name);  // range, namespace, ...

}  // namespace firesteel::jinja
