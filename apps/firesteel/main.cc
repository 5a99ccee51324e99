#include <cstdio>

int main() {
  std::puts("firesteel");
  return 0;
}
