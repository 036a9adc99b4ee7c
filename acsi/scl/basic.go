package scl

import (
	"busbar.example/acsi"
	"busbar.example/value"
)

// basicTypes is how the basic types travel, by their name in SCL. A negative size is an exact one.
//
// IEC 61850-6, 9.5.4.2 and IEC 61850-8-1, 8.1.
var basicTypes = map[string]acsi.Type{
	"BOOLEAN":      {Kind: value.Boolean},
	"INT8":         {Kind: value.Integer, Size: 8},
	"INT16":        {Kind: value.Integer, Size: 16},
	"INT24":        {Kind: value.Integer, Size: 24},
	"INT32":        {Kind: value.Integer, Size: 32},
	"INT64":        {Kind: value.Integer, Size: 64},
	"INT128":       {Kind: value.Integer, Size: 64},
	"INT8U":        {Kind: value.Unsigned, Size: 8},
	"INT16U":       {Kind: value.Unsigned, Size: 16},
	"INT24U":       {Kind: value.Unsigned, Size: 24},
	"INT32U":       {Kind: value.Unsigned, Size: 32},
	"FLOAT32":      {Kind: value.Float32, Size: 32},
	"FLOAT64":      {Kind: value.Float64, Size: 64},
	"Enum":         {Kind: value.Integer, Size: 8},
	"Dbpos":        {Kind: value.BitString, Size: -2},
	"Tcmd":         {Kind: value.BitString, Size: -2},
	"Check":        {Kind: value.BitString, Size: -2},
	"Quality":      {Kind: value.BitString, Size: -acsi.QualityBits},
	"TrgOps":       {Kind: value.BitString, Size: -6},
	"OptFlds":      {Kind: value.BitString, Size: -10},
	"SvOptFlds":    {Kind: value.BitString, Size: -8},
	"LogOptFlds":   {Kind: value.BitString, Size: -1},
	"Timestamp":    {Kind: value.UTCTime},
	"EntryTime":    {Kind: value.BinaryTime, Size: 6},
	"EntryID":      {Kind: value.OctetString, Size: -8},
	"Octet6":       {Kind: value.OctetString, Size: -6},
	"Octet16":      {Kind: value.OctetString, Size: -16},
	"Octet64":      {Kind: value.OctetString, Size: 64},
	"VisString32":  {Kind: value.VisibleString, Size: 32},
	"VisString64":  {Kind: value.VisibleString, Size: 64},
	"VisString65":  {Kind: value.VisibleString, Size: 65},
	"VisString129": {Kind: value.VisibleString, Size: 129},
	"VisString255": {Kind: value.VisibleString, Size: 255},
	"ObjRef":       {Kind: value.VisibleString, Size: 129},
	"Currency":     {Kind: value.VisibleString, Size: 3},
	"Unicode255":   {Kind: value.MMSString, Size: 255},
}

// enumSize is the number of bits that hold every number of e: eight, unless an engineer needed more.
func enumSize(e *acsi.Enum) int {
	size := 8
	for _, v := range e.Values {
		for v.Ord < -1<<(size-1) || v.Ord > 1<<(size-1)-1 {
			size *= 2
		}
	}
	return size
}
