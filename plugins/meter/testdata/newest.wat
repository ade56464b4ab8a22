(module
  ;; A light handler with names: nothing but exported functions that call nothing.
  (memory $memory (export "memory") 2)
  (func $version (export "kv_abi_version") (result i32) (i32.const 1))
  (func $alloc (export "kv_alloc") (param $n i32) (result i32)
    (select (i32.const 1024) (i32.const 0) (i32.le_u (local.get $n) (i32.const 65536))))
  (func $handle (export "handle_conflict") (param $c i32) (result i32)
    (i32.store offset=56 (local.get $c) (i32.sub (i32.load offset=4 (local.get $c)) (i32.const 1)))
    (i32.const 3)))
