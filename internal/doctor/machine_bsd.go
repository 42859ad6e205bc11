//go:build unix && !linux

package doctor

func (e *exam) isolation() {}
