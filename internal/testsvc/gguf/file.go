package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// alignment of each tensor's data in bytes.
const alignment = 32

// Types of values, as the format numbers them.
const (
	valueUint32  uint32 = 4
	valueInt32   uint32 = 5
	valueFloat32 uint32 = 6
	valueBool    uint32 = 7
	valueString  uint32 = 8
	valueArray   uint32 = 9
)

// tensorFloat32 is the type of all tensors here.
const tensorFloat32 uint32 = 0

// pair is a key of the header with its value.
type pair struct {
	key   string
	value any
}

// tensor is a table of numbers; the first dimension is the one that varies fastest.
type tensor struct {
	name string
	dims []uint64
	data []float32
}

// file is a whole file: header, keys, list of tensors, data.
type file struct {
	keys    []pair
	tensors []tensor
}

// writer writes little-endian values and remembers where it is and the first error.
type writer struct {
	w   *bufio.Writer
	at  int64
	err error
}

func (f file) write(to io.Writer) error {
	w := &writer{w: bufio.NewWriterSize(to, 1<<20)}
	w.raw([]byte("GGUF"))
	w.value(uint32(3)) // version
	w.value(uint64(len(f.tensors)))
	w.value(uint64(len(f.keys)))
	for _, p := range f.keys {
		w.text(p.key)
		w.typed(p.value)
	}
	offset := uint64(0)
	for _, t := range f.tensors {
		w.text(t.name)
		w.value(uint32(len(t.dims)))
		w.value(t.dims)
		w.value(tensorFloat32)
		w.value(offset)
		offset += (uint64(len(t.data))*4 + alignment - 1) / alignment * alignment
	}
	w.pad()
	for _, t := range f.tensors {
		w.value(t.data)
		w.pad()
	}
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

func (w *writer) raw(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
		w.at += int64(len(b))
	}
}

func (w *writer) value(v any) {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.raw(b)
}

func (w *writer) text(s string) {
	w.value(uint64(len(s)))
	w.raw([]byte(s))
}

// typed writes a value of a key with its type before it.
func (w *writer) typed(v any) {
	switch v := v.(type) {
	case uint32:
		w.value(valueUint32)
		w.value(v)
	case float32:
		w.value(valueFloat32)
		w.value(v)
	case bool:
		w.value(valueBool)
		w.value(v)
	case string:
		w.value(valueString)
		w.text(v)
	case []string:
		w.array(valueString, len(v))
		for _, s := range v {
			w.text(s)
		}
	case []float32:
		w.array(valueFloat32, len(v))
		w.value(v)
	case []int32:
		w.array(valueInt32, len(v))
		w.value(v)
	default:
		w.err = fmt.Errorf("gguf: no value of type %T", v)
	}
}

func (w *writer) array(kind uint32, n int) {
	w.value(valueArray)
	w.value(kind)
	w.value(uint64(n))
}

func (w *writer) pad() { w.raw(make([]byte, (alignment-w.at%alignment)%alignment)) }
