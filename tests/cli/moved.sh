#!/bin/sh
# A program that was moved with its data, as an installation in another folder, finds its presets.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

real=${SF_BUILDDIR:-$(dirname "$SCOREFIELD")}/.libs/scorefield
[ -x "$real" ] || skip "no program in .libs (a static build)"
libs=$(dirname "$real")
unset SCOREFIELD_DATA
mkdir -p moved/bin moved/share
cp "$real" moved/bin/scorefield
cp -R "$srcdir/data" moved/share/scorefield
chmod -R u+w moved
LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
cp "$srcdir/data/presets/tiny.ini" moved/share/scorefield/presets/only-here.ini
if ! moved/bin/scorefield list preset | grep -q only-here && [ -n "$(moved/bin/scorefield list preset)" ]; then
	skip "the folder given to configure holds presets, which come first"
fi
passes "by a path" moved/bin/scorefield list preset
holds "its own presets" only-here stdout
PATH=$work/moved/bin:$PATH
passes "by PATH" scorefield list preset
holds "its own presets again" only-here stdout
cd moved/share
passes "by a relative path" ../bin/scorefield data digits
cd "$work"
finish
