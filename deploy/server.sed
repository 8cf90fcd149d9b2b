# Tables of the demo's files become those of the database that SHOP_DB names, as load_tables.py writes them.
s|{path: ../var/demo/\(.*\)\.parquet}|{table: \1, url_env: SHOP_DB, updated_at: loaded_at}|
