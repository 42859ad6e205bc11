package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// blockSize is that of tar: headers are one block, content is padded to blocks.
const blockSize = 512

// maxOctal is the largest size that a header holds as octal digits. Larger ones
// are written in the binary form that GNU tar introduced and others read.
const maxOctal = 1<<33 - 1

// block makes the header of a member. It depends on path and size only: owner,
// mode and time are always the same.
func block(path string, size int64) [blockSize]byte {
	var b [blockSize]byte
	copy(b[0:100], path)
	copy(b[100:], "0000600\x00")
	copy(b[108:], "0000000\x00")
	copy(b[116:], "0000000\x00")
	if size <= maxOctal {
		copy(b[124:], fmt.Sprintf("%011o\x00", size))
	} else {
		b[124] = 0x80
		binary.BigEndian.PutUint64(b[128:136], uint64(size))
	}
	copy(b[136:], "00000000000\x00")
	copy(b[148:], "        ") // counts as spaces in its own sum
	b[156] = '0'
	copy(b[257:], "ustar\x0000")
	var sum int64
	for _, c := range b {
		sum += int64(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// parseBlock reads a header and refuses all that block does not make.
func parseBlock(b *[blockSize]byte) (Entry, error) {
	if !bytes.Equal(b[257:265], []byte("ustar\x0000")) {
		return Entry{}, invalid("this is not a Runsheet backup, or it is damaged: there is no header where one belongs")
	}
	if b[156] != '0' {
		return Entry{}, invalid("the backup contains something else than regular files (type %q)", b[156])
	}
	path, _, _ := bytes.Cut(b[0:100], []byte{0})
	e, ok := parsePath(string(path))
	if !ok {
		return Entry{}, invalid("the backup contains %q, which does not belong into one", path)
	}
	if b[124] == 0x80 {
		n := binary.BigEndian.Uint64(b[128:136])
		if n>>62 != 0 {
			return Entry{}, invalid("the size of %s is impossible", path)
		}
		e.Size = int64(n)
	} else {
		n, err := strconv.ParseInt(string(bytes.TrimRight(b[124:136], "\x00")), 8, 64)
		if err != nil || n < 0 {
			return Entry{}, invalid("the size of %s cannot be read", path)
		}
		e.Size = n
	}
	if want := block(e.path(), e.Size); want != *b {
		return Entry{}, invalid("the header of %s is damaged", path)
	}
	return e, nil
}

// padding is how many zero bytes follow content of the given size.
func padding(size int64) int64 { return (blockSize - size%blockSize) % blockSize }
