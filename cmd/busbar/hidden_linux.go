package main

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// hideInput keeps a terminal from showing what is typed, until restore is called.
func hideInput(terminal *os.File) (restore func(), err error) {
	if terminal == nil {
		return nil, errNoTerminal
	}
	var before syscall.Termios
	if err := termios(terminal, syscall.TCGETS, &before); err != nil {
		return nil, errNoTerminal
	}
	hidden := before
	hidden.Lflag = hidden.Lflag&^syscall.ECHO | syscall.ICANON | syscall.ISIG
	if err := termios(terminal, syscall.TCSETS, &hidden); err != nil {
		return nil, err
	}
	return func() { _ = termios(terminal, syscall.TCSETS, &before) }, nil // nothing is left to be done where that fails
}

var errNoTerminal = errors.New("the standard input is not a terminal")

func termios(terminal *os.File, request uintptr, t *syscall.Termios) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), request, uintptr(unsafe.Pointer(t)))
	if errno != 0 {
		return errno
	}
	return nil
}
