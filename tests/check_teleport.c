/* check_teleport.c: placeholder head, replaced below. */
#include "support.h"
int main(void){ return sf_test_main(suite_create("teleport")); }
