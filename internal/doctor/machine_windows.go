package doctor

import "io/fs"

// permissions: modes of files say nothing here.
const permissions = false

func owner(fs.FileInfo) (uid int, known bool) { return 0, false }

func freeBytes(string) (uint64, bool) { return 0, false }

func (e *exam) machine() {}
