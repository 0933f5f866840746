package serdio_test

import (
	"fmt"

	"github.com/libcape/libcape/core/serdio"
)

func Example() {
	data, err := serdio.Encode([]any{3, 4}, serdio.Map{{Key: "unit", Value: "cm"}})
	if err != nil {
		panic(err)
	}
	call, err := serdio.Decode(data)
	if err != nil {
		panic(err)
	}
	unit, _ := call.Kwargs.Get("unit")
	fmt.Println(call.Value(), unit)
	// Output: [3 4] cm
}

func ExampleDecodeJSON() {
	data, err := serdio.EncodeJSON([]byte(`{"args": [5.0]}`))
	if err != nil {
		panic(err)
	}
	text, err := serdio.DecodeJSON(data)
	fmt.Println(string(text), err)
	// Output: 5.0 <nil>
}
