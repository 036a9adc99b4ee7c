package mms

import (
	"reflect"

	"busbar.example/value"
)

// maxFootprint is how much memory a PDU of n octets may take. The worst is a list of names in BER, or an array of
// booleans: 56 octets of memory out of 3.
func maxFootprint(n int) int { return 4096 + 64*n }

// footprint is the memory behind v, in octets.
func footprint(v reflect.Value) int {
	if v.IsValid() && v.Type() == reflect.TypeFor[value.Value]() {
		return int(v.Type().Size()) + behind(v.Interface().(value.Value))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 8
		}
		return 16 + footprint(v.Elem())
	case reflect.Struct:
		n := 0
		for i := range v.NumField() {
			n += footprint(v.Field(i))
		}
		return n
	case reflect.Slice:
		n := 24 + v.Cap()*int(v.Type().Elem().Size())
		for i := range v.Len() {
			n += footprint(v.Index(i))
		}
		return n
	case reflect.String:
		return 16 + v.Len()
	case reflect.Invalid:
		return 0
	}
	return int(v.Type().Size())
}

// behind is the memory behind a value, without the value itself.
func behind(v value.Value) int {
	n := len(v.Text()) + len(v.Packed())
	for i := range v.Len() {
		n += int(reflect.TypeFor[value.Value]().Size()) + behind(v.At(i))
	}
	return n
}
