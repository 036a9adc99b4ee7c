// Package scl reads System Configuration description Language files (ICD, CID, IID, SCD) of Editions 1, 2 and 2.1
// and makes the models of the IEDs that they describe.
package scl
