package mms

import (
	"fmt"
	"reflect"
	"strings"

	"busbar.example/value"
)

// dump renders a PDU on one line, much as Go would write it.
func dump(p PDU) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(p))
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value) {
	if v.IsValid() && v.Type() == reflect.TypeFor[value.Value]() {
		b.WriteString(v.Interface().(value.Value).String())
		return
	}
	switch v.Kind() {
	case reflect.Invalid:
		b.WriteString("nil")
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() != reflect.Struct {
			b.WriteByte('&')
		}
		dumpValue(b, v.Elem())
	case reflect.Interface:
		dumpValue(b, v.Elem())
	case reflect.Struct:
		b.WriteString(v.Type().Name() + "{")
		sep := ""
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				fmt.Fprintf(b, "%s%s: ", sep, v.Type().Field(i).Name)
				dumpValue(b, f)
				sep = ", "
			}
		}
		b.WriteByte('}')
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(b, "%s(%x)", v.Type().Name(), v.Bytes())
			return
		}
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			dumpValue(b, v.Index(i))
		}
		b.WriteByte(']')
	default:
		dumpScalar(b, v)
	}
}

func dumpScalar(b *strings.Builder, v reflect.Value) {
	name := v.Type().Name()
	switch s, ok := v.Interface().(fmt.Stringer); {
	case ok:
		fmt.Fprintf(b, "%s(%s)", name, s)
	case v.Kind() == reflect.String && name == "string":
		fmt.Fprintf(b, "%q", v.String())
	case v.Kind() == reflect.String:
		fmt.Fprintf(b, "%s(%q)", name, v.String())
	case v.Kind() == reflect.Array:
		fmt.Fprintf(b, "%s(%x)", name, v.Interface())
	case v.Type().PkgPath() == "":
		fmt.Fprint(b, v)
	default:
		fmt.Fprintf(b, "%s(%v)", name, v)
	}
}
